"""What a lock has that is no longer the newest in the archives and registries it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from imagemill.cache import Cache
from imagemill.lock import BaseImage, DebianPackage, Download, Item, Lock, NpmPackage, Wheel
from imagemill.manifest import Base
from imagemill.mirrors import Mirrors
from imagemill.resolve.debian import Archive, Release, read_archive
from imagemill.resolve.debversion import compare
from imagemill.web import Web

Kind = Literal["security", "debian", "pypi", "npm", "upstream", "image"]
_ORDER: Sequence[Kind] = ("security", "debian", "pypi", "npm", "upstream", "image")
_KIND: Mapping[type, Kind] = {
    DebianPackage: "debian",
    Wheel: "pypi",
    NpmPackage: "npm",
    Download: "upstream",
    BaseImage: "image",
}


@dataclass(frozen=True)
class Newer:
    """One package that is to be had in another version than the locked one, and the sets that have it.

    `security` is a Debian package with a newer build in the suite's security pocket.
    """

    kind: Kind
    name: str
    locked: str
    new: str
    arches: tuple[str, ...]
    sets: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """A `Newer` of one set on one architecture."""

    kind: Kind
    name: str
    locked: str
    new: str
    arch: str
    set: str


def security(
    lock: Lock,
    base: Base,
    releases: Sequence[Release],
    *,
    web: Web,
    cache: Cache,
    mirrors: Mirrors,
    say: Callable[[str], None],
) -> list[Newer]:
    """The locked packages of which the security suite has a newer build. `releases` are all those of the base."""
    pocket = [release for release in releases if release.archive == "debian-security"]
    if not pocket:
        return []
    found: list[_Found] = []
    for platform in sorted(base.platforms):
        if "security" in base.absent.get(platform, ()):
            continue
        arch = platform.partition("/")[2]
        archive = read_archive(pocket, arch, web=web, cache=cache, mirror=mirrors.archive, say=say)
        found += _with_newer_build(lock, arch, archive)
    return _merged(found)


def newer(old: Lock, new: Lock) -> list[Newer]:
    """What another lock of the same base, resolved later, has in another version. Debian's only where it is newer."""
    return _merged(
        _Found(kind, name, ", ".join(before), ", ".join(after), arch, set_name)
        for set_name, by_arch in old.sets.items()
        for arch, inputs in by_arch.items()
        if arch in new.sets.get(set_name, {})
        for (kind, name), before, after in _common(inputs.items, new.sets[set_name][arch].items)
        if before != after and (kind != "debian" or compare(after[-1], before[-1]) > 0)
    )


def _with_newer_build(lock: Lock, arch: str, archive: Archive) -> Iterator[_Found]:
    for name, by_arch in lock.sets.items():
        for package in by_arch[arch].debian if arch in by_arch else ():
            candidate = archive.candidates.get(package.name)
            if candidate is not None and compare(candidate.package.version, package.version) > 0:
                yield _Found("security", package.name, package.version, candidate.package.version, arch, name)


def _common(
    before: Iterable[Item], after: Iterable[Item]
) -> Iterator[tuple[tuple[Kind, str], tuple[str, ...], tuple[str, ...]]]:
    """(kind, name), versions before, versions after, of what both have; a tree of npm's may have several versions."""
    one, other = _versions(before), _versions(after)
    for key in one.keys() & other.keys():
        yield key, one[key], other[key]


def _versions(items: Iterable[Item]) -> Mapping[tuple[Kind, str], tuple[str, ...]]:
    found: dict[tuple[Kind, str], set[str]] = {}
    for item in items:
        found.setdefault((_KIND[type(item)], item.name), set()).add(_version(item))
    return {key: tuple(sorted(versions)) for key, versions in found.items()}


def _version(item: Item) -> str:
    return f"{item.version}@{item.digest[:19]}" if isinstance(item, BaseImage) else item.version


def _merged(found: Iterable[_Found]) -> list[Newer]:
    """The same finding in several sets and on several architectures is one row."""
    rows: dict[tuple[Kind, str, str, str], list[_Found]] = {}
    for one in found:
        rows.setdefault((one.kind, one.name, one.locked, one.new), []).append(one)
    return [
        Newer(*key, tuple(sorted({one.arch for one in ones})), tuple(sorted({one.set for one in ones})))
        for key, ones in sorted(rows.items(), key=lambda row: (_ORDER.index(row[0][0]), row[0]))
    ]
