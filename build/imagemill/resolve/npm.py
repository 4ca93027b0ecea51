"""npm packages: trees by npm's own resolver, single tarballs by the registry's word."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imagemill.errors import FetchError, LockError
from imagemill.lock import NpmPackage
from imagemill.manifest import NpmSet
from imagemill.mirrors import Mirrors
from imagemill.platforms import Platform
from imagemill.web import Web, shown

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_RANGE = re.compile(r"[\^~]\d+(\.\d+){0,2}|\d+(\.\d+)?(\.x)?")


def resolve(
    spec: NpmSet, platforms: Sequence[Platform], web: Web, mirrors: Mirrors
) -> dict[str, tuple[NpmPackage, ...]]:
    """What the set is made of on each architecture. Raises LockError when it cannot be resolved."""
    if spec.layout != "modules":
        rows = [_unpacked(wanted, platforms, web, mirrors) for wanted in spec.packages]
        return {platform.arch: tuple(row[platform.arch] for row in rows) for platform in platforms}
    return {
        platform.arch: tuple(_tree([_named(wanted, platform) for wanted in spec.packages], platform, mirrors))
        for platform in platforms
    }


def _unpacked(wanted: str, platforms: Sequence[Platform], web: Web, mirrors: Mirrors) -> dict[str, NpmPackage]:
    """One package for each architecture, in the same version: `name@1.2.3`, `name@^1`, or a bare name for the latest.

    Packages for single architectures (`{npm}` in the name) are published apart, and not always all of them.
    """
    at = wanted.find("@", 1)
    template, version = (wanted[:at], wanted[at + 1 :]) if at > 0 else (wanted, "latest")
    names = {platform.arch: _named(template, platform) for platform in platforms}
    if _RANGE.fullmatch(version):
        offered = [set(_document(name, "", web, mirrors)["versions"]) for name in sorted(set(names.values()))]
        common = [one for one in set.intersection(*offered) if _VERSION.fullmatch(one) and _in_range(one, version)]
        if not common:
            raise LockError(f"no version of npm package {wanted!r} is there for all architectures", "use another range")
        version = max(common, key=_numbers)
    found = {}
    for arch, name in names.items():
        row = _document(name, version, web, mirrors)
        found[arch] = NpmPackage("", name, row["version"], _sha512(row["dist"].get("integrity", ""), wanted))
    versions = {package.version for package in found.values()}
    if len(versions) > 1:
        raise LockError(
            f"npm package {wanted!r} is at {' and '.join(sorted(versions))} on different architectures",
            "give a range, as in name@^1, to get the newest version that all of them have",
        )
    return found


def _named(wanted: str, platform: Platform) -> str:
    return wanted.replace("{npm}", platform.npm)


def _document(name: str, version: str, web: Web, mirrors: Mirrors) -> dict[str, Any]:
    """What the registry says of a package, or of one version or dist-tag of it."""
    address = f"{mirrors.npm}/{urllib.parse.quote(name, safe='@')}"
    try:
        found = json.loads(web.read(f"{address}/{version}" if version else address))
    except FetchError as error:
        if error.transient:
            raise
        raise LockError(f"npm package {name} {version}: {error.message}", "correct 'packages'") from None
    return found if isinstance(found, dict) else {}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in version.split(".") if word.isdigit())


def _in_range(version: str, wanted: str) -> bool:
    """Whether `1.2.3` is in `^1.2`, `~1.2`, `1.2` or `1.2.x`, as npm's semver has them."""
    low = _numbers(wanted.lstrip("^~"))
    if wanted.startswith("^"):  # up to the first number that is not zero nothing changes
        first = next((number for number, value in enumerate(low) if value), len(low) - 1)
        fixed = low[: first + 1]
    else:
        fixed = low[:2]
    numbers = _numbers(version)
    return numbers[: len(fixed)] == fixed and numbers >= low


def _tree(wanted: list[str], platform: Platform, mirrors: Mirrors) -> list[NpmPackage]:
    npm = shutil.which("npm", path=mirrors.environ.get("PATH"))
    if npm is None:
        raise LockError("npm, which resolves its packages, is not here", "install npm to make locks")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(npm, "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"),
            *("--os=linux", f"--cpu={platform.npm}", "--libc=glibc", "--prefix", folder),
        ]
        environ = {key: value for key, value in mirrors.environ.items() if key.lower() != "npm_config_registry"}
        environ["npm_config_registry"] = mirrors.npm  # not an argument: it may hold a password
        Path(folder, "package.json").write_text("{}")
        done = subprocess.run([*command, *wanted], cwd=folder, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LockError(
                f"npm cannot resolve {' '.join(wanted)}: {shown(done.stderr.strip())}", "correct 'packages'"
            )
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
