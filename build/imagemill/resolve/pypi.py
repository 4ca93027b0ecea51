"""Python distributions: versions by uv's resolver, files by the tags that the target runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from packaging import tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from imagemill.errors import LockError
from imagemill.fetch import Web
from imagemill.lock import Wheel
from imagemill.manifest import PypiSet
from imagemill.mirrors import Mirrors
from imagemill.platforms import Platform

GLIBC = (2, 41)
"""The C library of trixie: wheels for it and for anything older run."""


def resolve(
    spec: PypiSet, platform: Platform, constraints: Mapping[str, str], web: Web, mirrors: Mirrors
) -> list[Wheel]:
    """One wheel for each distribution that the set needs. `constraints` (name -> version) are kept to.

    Raises LockError when there is no solution, or a distribution has no wheel for the platform.
    """
    versions = _compile(spec, platform, constraints, mirrors)
    supported = list(_supported(spec.python, platform))
    return sorted(_wheel(name, version, supported, spec, platform, web, mirrors) for name, version in versions.items())


def _compile(spec: PypiSet, platform: Platform, constraints: Mapping[str, str], mirrors: Mirrors) -> dict[str, str]:
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise LockError("uv, which resolves Python packages, is not here", "run `make lock`, which installs it")
    pins = [f"{name}=={version}" for name, version in sorted(constraints.items())]
    command = [
        *(uv, "pip", "compile", "--quiet", "--no-config", "--no-header", "--no-annotate", "--only-binary", ":all:"),
        *("--python-version", spec.python, "--python-platform", f"{platform.machine}-manylinux_2_40"),
        *("--index-url", mirrors.pypi, "-"),
    ]
    environ = {**os.environ, **({"SSL_CERT_FILE": mirrors.certificates} if mirrors.certificates else {})}
    done = subprocess.run(
        command, input="\n".join([*spec.requirements, *pins]), env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LockError(
            f"{', '.join(spec.requirements)} for {platform}: {done.stderr.strip()}", "correct 'requirements'"
        )
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", done.stdout, re.MULTILINE))


def _supported(python: str, platform: Platform) -> Iterator[tags.Tag]:
    """Tags that CPython `python` runs on a Linux with this C library, best first."""
    major, minor = map(int, python.split("."))
    platforms = [f"manylinux_2_{n}_{platform.machine}" for n in range(GLIBC[1], 4, -1)]
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    for n, name in legacy.items():
        place = platforms.index(f"manylinux_2_{n}_{platform.machine}")
        platforms.insert(place + 1, f"{name}_{platform.machine}")
    platforms.append(f"linux_{platform.machine}")
    yield from tags.cpython_tags((major, minor), platforms=platforms)
    yield from tags.compatible_tags((major, minor), interpreter=f"cp{major}{minor}", platforms=platforms)


def _wheel(
    name: str,
    version: str,
    supported: Sequence[tags.Tag],
    spec: PypiSet,
    platform: Platform,
    web: Web,
    mirrors: Mirrors,
) -> Wheel:
    rank = {tag: number for number, tag in enumerate(supported)}
    best: tuple[int, str, str] | None = None
    for file, sha256 in _files(name, web, mirrors):
        if not file.endswith(".whl"):
            continue
        try:
            _, found, _, file_tags = parse_wheel_filename(file)
        except InvalidWheelFilename:  # old uploads; no installer takes them either
            continue
        ranks = [rank[tag] for tag in file_tags if tag in rank]
        if str(found) == version and ranks and (best is None or min(ranks) < best[0]):
            best = (min(ranks), file, sha256)
    if best is None:
        raise LockError(
            f"{name} {version} has no wheel for Python {spec.python} on {platform}",
            "leave it out, or pin a version that has one",
        )
    return Wheel(name, version, best[1], best[2])


def _files(name: str, web: Web, mirrors: Mirrors) -> Iterator[tuple[str, str]]:
    url = f"{mirrors.pypi}/{name}/"
    text = web.read(url, {"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.2"}).decode()
    if text.lstrip().startswith("{"):
        for row in json.loads(text)["files"]:
            if not row.get("yanked"):
                yield row["filename"], row["hashes"]["sha256"]
    else:
        for sha256, file in re.findall(r'#sha256=([0-9a-f]{64})"[^>]*>\s*([^<\s]+)\s*</a>', text):
            yield file, sha256
