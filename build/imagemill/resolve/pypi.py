"""Python distributions: versions by uv's resolver, files by the tags that the target runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from packaging import tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from imagemill.errors import LockError
from imagemill.fetch import Listed, index_page
from imagemill.lock import Wheel
from imagemill.manifest import PypiSet
from imagemill.mirrors import Mirrors
from imagemill.platforms import Platform
from imagemill.web import Web, shown

_UV_KNOWS = 40
"""The newest C library, 2.40, that uv has a platform for."""
_OLDEST = (3, 6)
"""The oldest Python that uv resolves for."""


def resolve(
    spec: PypiSet, platforms: Sequence[Platform], glibc: int, web: Web, mirrors: Mirrors
) -> dict[str, tuple[Wheel, ...]]:
    """For each architecture one wheel for each distribution that the set needs, in the same versions on all.

    `glibc` is the minor version of the base's C library: wheels for it and for anything older run. Raises LockError
    when there is no solution, or a distribution has no wheel for a platform.
    """
    if tuple(map(int, spec.python.split("."))) < _OLDEST:
        versions = {platform.arch: _named(spec) for platform in platforms}
    else:
        versions = _agreed(spec, platforms, glibc, mirrors)
    names = sorted({name for found in versions.values() for name in found})
    pages = {name: index_page(web, mirrors.pypi, name) for name in names}
    wheels = {}
    for platform in platforms:
        supported = {tag: number for number, tag in enumerate(_supported(spec.python, platform, glibc))}
        wheels[platform.arch] = tuple(
            _wheel(name, version, pages[name], supported, f"Python {spec.python} on {platform}")
            for name, version in sorted(versions[platform.arch].items())
        )
    return wheels


def _named(spec: PypiSet) -> dict[str, str]:
    """The versions that the manifest names itself, of everything that the set needs."""
    versions = {}
    for requirement in spec.requirements:
        name, _, version = requirement.partition("==")
        if not version:
            raise LockError(
                f"{requirement} has no version, and nothing resolves for Python {spec.python} any more",
                f"write {name}==… into 'requirements', and everything that it needs",
            )
        versions[name] = version
    return versions


def _agreed(spec: PypiSet, platforms: Sequence[Platform], glibc: int, mirrors: Mirrors) -> dict[str, dict[str, str]]:
    """Versions by architecture. Each platform in turn leads, until the others can follow its versions."""
    errors: list[LockError] = []
    for lead in platforms:
        try:
            versions = {lead.arch: _compile(spec, lead, glibc, {}, mirrors)}
            for other in platforms:
                if other != lead:
                    pins = {name: version for found in versions.values() for name, version in found.items()}
                    versions[other.arch] = _compile(spec, other, glibc, pins, mirrors)
        except LockError as error:
            errors.append(error)
        else:
            return versions
    raise errors[0]


def _compile(
    spec: PypiSet, platform: Platform, glibc: int, constraints: Mapping[str, str], mirrors: Mirrors
) -> dict[str, str]:
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise LockError("uv, which resolves Python packages, is not here", "run `make lock`, which installs it")
    pins = [f"{name}=={version}" for name, version in sorted(constraints.items())]
    environ = {**mirrors.environ, "UV_DEFAULT_INDEX": mirrors.pypi}  # not an argument: it may hold a password
    if mirrors.certificates:
        environ["SSL_CERT_FILE"] = mirrors.certificates
    target = platform.uv.replace("manylinux", f"manylinux_2_{min(glibc, _UV_KNOWS)}")
    with tempfile.TemporaryDirectory() as folder:
        # constraints, not requirements: what one architecture needs, the other may do without
        constraint = Path(folder, "constraints.txt")
        constraint.write_text("\n".join(pins))
        command = [
            *(uv, "pip", "compile", "--quiet", "--no-config", "--no-header", "--no-annotate", "--only-binary", ":all:"),
            # this interpreter will do: without it uv downloads one of the target's version into the user's home
            *("--python", sys.executable, "--no-python-downloads"),
            *("--python-version", spec.python, "--python-platform", target),
            *("--constraint", str(constraint), "-"),
        ]
        done = subprocess.run(
            command, input="\n".join(spec.requirements), env=environ, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise LockError(
            f"{', '.join(spec.requirements)} for {platform}: {shown(done.stderr.strip())}",
            "correct 'requirements'; what has no wheels cannot be in an image",
        )
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", done.stdout, re.MULTILINE))


def _supported(python: str, platform: Platform, glibc: int) -> Iterator[tags.Tag]:
    """Tags that CPython `python` runs on a Linux with this C library, best first."""
    major, minor = map(int, python.split("."))
    platforms = [f"manylinux_2_{n}_{platform.machine}" for n in range(glibc, 4, -1)]
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    for n, name in legacy.items():
        place = platforms.index(f"manylinux_2_{n}_{platform.machine}")
        platforms.insert(place + 1, f"{name}_{platform.machine}")
    platforms.append(f"linux_{platform.machine}")
    yield from tags.cpython_tags((major, minor), platforms=platforms)
    yield from tags.compatible_tags((major, minor), interpreter=f"cp{major}{minor}", platforms=platforms)


def _wheel(
    name: str, version: str, page: Mapping[str, Listed], supported: Mapping[tags.Tag, int], target: str
) -> Wheel:
    """The best wheel on an index page; `supported` ranks tags, 0 being the best."""
    best: tuple[int, str, str] | None = None
    for file, listed in page.items():
        if not file.endswith(".whl") or not listed.sha256:
            continue
        try:
            _, found, _, file_tags = parse_wheel_filename(file)
        except InvalidWheelFilename:  # old uploads; no installer takes them either
            continue
        ranks = [supported[tag] for tag in file_tags if tag in supported]
        if str(found) == version and ranks and (best is None or (min(ranks), file) < best[:2]):
            best = (min(ranks), file, listed.sha256)
    if best is None:
        raise LockError(
            f"{name} {version} has no wheel with a SHA-256 for {target}",
            "leave it out, or pin a version that has one",
        )
    return Wheel(name, version, best[1], best[2])
