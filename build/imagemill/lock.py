"""The lock: which bytes every layer is made of, by version, place in a pool, and SHA-256; never a mirror.

One file per base, `runtimes/lock/<base>.json`, holds every set that stands on that base, so that all of
them are resolved against one state of the archive and agree on versions. A *set* belongs to a layer and is
named after it: `debian-trixie`, `debian-trixie/toolchain`, `python3.13`, `python3.13/build`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from imagemill.errors import LockError
from imagemill.whole import replace_file

FORMAT: Literal[1] = 1


class DebianPackage(Struct, frozen=True, order=True):
    """One .deb: `archive` is `debian` or `debian-security`, `path` its place below that archive's root."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    archive: str
    path: str
    size: int
    sha256: str


class Wheel(Struct, frozen=True, order=True):
    """One wheel on a Python package index, found there by project and file name."""

    name: str
    version: str
    file: str
    sha256: str


class NpmPackage(Struct, frozen=True, order=True):
    """One npm tarball; `place` is where it goes below the set's directory (`node_modules/a/node_modules/b`)."""

    place: str
    name: str
    version: str
    integrity: str  # Subresource Integrity, `sha512-<base64>`


class Download(Struct, frozen=True, order=True):
    """One file from an upstream's own site: the only input whose place is an address."""

    name: str
    version: str
    url: str
    size: int
    sha256: str


class BaseImage(Struct, frozen=True, order=True):
    """One architecture's image in a registry: `name` with the registry's host, `version` the tag it was found by."""

    name: str
    version: str
    digest: str  # of the manifest, `sha256:<hex>`
    index: str  # of what the tag pointed at: for `FROM name@index` on whatever architecture


Item = DebianPackage | Wheel | NpmPackage | Download | BaseImage
"""Anything that a lock names and a mirror has."""


class Inputs(Struct, frozen=True):
    """What one layer takes from the lock on one architecture; `pypi` and `npm` follow the manifest's order."""

    debian: tuple[DebianPackage, ...] = ()
    pypi: tuple[tuple[Wheel, ...], ...] = ()
    npm: tuple[tuple[NpmPackage, ...], ...] = ()
    downloads: tuple[Download, ...] = ()
    image: BaseImage | None = None

    @property
    def items(self) -> tuple[Item, ...]:
        """All of it."""
        return (
            *self.debian,
            *(w for group in self.pypi for w in group),
            *(n for group in self.npm for n in group),
            *self.downloads,
            *([self.image] if self.image else []),
        )


class Lock(Struct, frozen=True):
    """The lock of one base. `date` (seconds since 1970) is the newest date of the archives it was made from."""

    base: str
    date: int
    releases: Mapping[str, int]  # suite -> the Date of its Release file
    sets: Mapping[str, Mapping[str, Inputs]]  # set -> architecture -> inputs
    unavailable: Mapping[str, Mapping[str, str]] = {}  # set -> architecture -> why not

    def inputs(self, name: str, arch: str) -> Inputs:
        """What set `name` takes on `arch`; LockError when the lock does not have it."""
        try:
            return self.sets[name][arch]
        except KeyError:
            reason = self.unavailable.get(name, {}).get(arch)
            if reason:
                raise LockError(
                    f"{name} cannot be had for {arch}: {reason}", "leave this platform or these images out"
                ) from None
            raise LockError(
                f"runtimes/lock/{self.base}.json has no set {name!r} for {arch}",
                "run `imagemill lock --update` and commit what it writes",
            ) from None


def path_of(root: Path, base: str) -> Path:
    """Where the lock of `base` is kept."""
    return root / "runtimes" / "lock" / f"{base}.json"


def read(path: Path) -> Lock:
    """Read a lock file. Raises LockError when it is missing or not a lock of this format."""
    try:
        text = path.read_bytes()
        return _from_file(msgspec.json.decode(text, type=_File))
    except FileNotFoundError:
        raise LockError(f"{path} is missing", "run `imagemill lock --update` to make it") from None
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        given = msgspec.json.decode(text)
        if isinstance(given, dict) and given.get("format") != FORMAT:
            raise LockError(
                f"{path}: key 'format' is {given.get('format')!r}, this imagemill reads {FORMAT}",
                "run `imagemill lock --update` with this version of imagemill",
            ) from None
        raise LockError(f"{path} is damaged: {error}", "restore it from version control") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LockError(f"{path} is not JSON: {error}", "restore it from version control") from None


def write(lock: Lock, path: Path) -> None:
    """Write a lock, sorted, one input a line, so that a change reads well in a diff."""
    replace_file(path, _dump(_to_json(lock)).encode())


def _to_json(lock: Lock) -> dict[str, Any]:
    debian: dict[str, dict[str, Any]] = {}
    sets: dict[str, dict[str, Any]] = {}
    for name, by_arch in sorted(lock.sets.items()):
        for arch, inputs in sorted(by_arch.items()):
            table = debian.setdefault(arch, {})
            for package in inputs.debian:
                row = asdict(package)
                table[row.pop("name")] = row
            sets.setdefault(name, {})[arch] = {
                "debian": sorted(package.name for package in inputs.debian),
                "pypi": [[asdict(wheel) for wheel in sorted(group)] for group in inputs.pypi],
                "npm": [[asdict(package) for package in sorted(group)] for group in inputs.npm],
                **({"downloads": [asdict(one) for one in sorted(inputs.downloads)]} if inputs.downloads else {}),
                **({"image": asdict(inputs.image)} if inputs.image else {}),
            }
    data = {
        "format": FORMAT,
        "base": lock.base,
        "date": lock.date,
        "releases": dict(sorted(lock.releases.items())),
        "debian": {arch: dict(sorted(table.items())) for arch, table in sorted(debian.items())},
        "sets": sets,
    }
    return {**data, "unavailable": dict(sorted(lock.unavailable.items()))} if lock.unavailable else data


class _Set(Struct):
    """A set on one architecture as the file has it: Debian packages by name."""

    debian: tuple[str, ...]
    pypi: tuple[tuple[Wheel, ...], ...]
    npm: tuple[tuple[NpmPackage, ...], ...]
    downloads: tuple[Download, ...] = ()
    image: BaseImage | None = None


class _File(Struct):
    """A lock file: `debian` is architecture -> name -> the rest of a DebianPackage."""

    format: Literal[1]
    base: str
    date: int
    releases: dict[str, int]
    debian: dict[str, dict[str, dict[str, str | int]]]
    sets: dict[str, dict[str, _Set]]
    unavailable: dict[str, dict[str, str]] = {}


def _from_file(file: _File) -> Lock:
    debian = {
        arch: {name: DebianPackage(name=name, **row) for name, row in table.items()}  # type: ignore[arg-type]
        for arch, table in file.debian.items()
    }
    sets = {
        name: {
            arch: Inputs(tuple(map(debian[arch].__getitem__, row.debian)), row.pypi, row.npm, row.downloads, row.image)
            for arch, row in by_arch.items()
        }
        for name, by_arch in file.sets.items()
    }
    return Lock(file.base, file.date, file.releases, sets, file.unavailable)


def _dump(data: Any, depth: int = 0) -> str:
    """JSON with the innermost objects on one line each."""
    pad = " " * depth
    if isinstance(data, dict) and any(isinstance(v, dict | list) for v in data.values()):
        rows = ",\n".join(f"{pad} {json.dumps(k)}: {_dump(v, depth + 1).lstrip()}" for k, v in data.items())
        text = f"{pad}{{\n{rows}\n{pad}}}"
    elif isinstance(data, list) and any(isinstance(v, dict | list) for v in data):
        rows = ",\n".join(_dump(v, depth + 1) for v in data)
        text = f"{pad}[\n{rows}\n{pad}]"
    else:
        text = pad + json.dumps(data)
    return text if depth else text + "\n"
