"""npm packages: trees by npm's own resolver, single tarballs by the registry's word."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import urllib.parse
from pathlib import Path

from imagemill.errors import LockError
from imagemill.fetch import Web
from imagemill.lock import NpmPackage
from imagemill.manifest import NpmSet
from imagemill.mirrors import Mirrors
from imagemill.platforms import Platform


def resolve(spec: NpmSet, platform: Platform, web: Web, mirrors: Mirrors) -> list[NpmPackage]:
    """What the set is made of on this platform. Raises LockError when npm cannot resolve it."""
    wanted = [name.replace("{npm}", platform.npm) for name in spec.packages]
    if spec.layout == "unpack":
        return [_single(name, web, mirrors) for name in wanted]
    return _tree(wanted, platform, mirrors)


def _single(wanted: str, web: Web, mirrors: Mirrors) -> NpmPackage:
    name, _, version = wanted.rpartition("@")
    if not name:
        raise LockError(f"npm package {wanted!r} has no version", "pin it, as in name@1.2.3")
    document = json.loads(web.read(f"{mirrors.npm}/{urllib.parse.quote(name, safe='@')}/{version}"))
    return NpmPackage("", name, document["version"], _sha512(document["dist"].get("integrity", ""), wanted))


def _tree(wanted: list[str], platform: Platform, mirrors: Mirrors) -> list[NpmPackage]:
    npm = shutil.which("npm")
    if npm is None:
        raise LockError("npm, which resolves its packages, is not here", "install npm to make locks")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(npm, "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"),
            *("--os=linux", f"--cpu={platform.npm}", "--libc=glibc", f"--registry={mirrors.npm}", "--prefix", folder),
        ]
        Path(folder, "package.json").write_text("{}")
        done = subprocess.run(
            [*command, *wanted], cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise LockError(f"npm cannot resolve {' '.join(wanted)}: {done.stderr.strip()}", "correct 'packages'")
        data = json.loads(Path(folder, "package-lock.json").read_text())
    return sorted(
        NpmPackage(
            place,
            row.get("name") or place.rpartition("node_modules/")[2],
            row["version"],
            _sha512(row.get("integrity", ""), place),
        )
        for place, row in data["packages"].items()
        if place and not row.get("inBundle") and _runs(row, platform)
    )


def _runs(row: dict[str, object], platform: Platform) -> bool:
    """Whether a package says that it runs here: optional ones for other machines are listed too."""
    for key, here in (("os", "linux"), ("cpu", platform.npm), ("libc", "glibc")):
        allowed = row.get(key)
        if isinstance(allowed, list) and (f"!{here}" in allowed or not any(a == here or a[0] == "!" for a in allowed)):
            return False
    return True


def _sha512(integrity: str, what: str) -> str:
    for word in integrity.split():
        if word.startswith("sha512-"):
            return word
    raise LockError(f"npm package {what} has no SHA-512", "pin a version that was published with one")
