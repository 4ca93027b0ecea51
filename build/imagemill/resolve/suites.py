"""Packages from other suites than a base's own: read beside it, and laid over what it offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imagemill.cache import Cache
from imagemill.errors import LockError
from imagemill.manifest import Layer, Suite
from imagemill.mirrors import Mirrors
from imagemill.resolve.debian import Archive, Release, check_validity, providers_of, read_archive, read_releases
from imagemill.web import Web


@dataclass(frozen=True)
class Other:
    """Another suite at one time, and the packages that are wanted from it."""

    packages: frozenset[str]
    releases: Sequence[Release]


def wanted(specs: Iterable[Layer]) -> dict[str, Suite]:
    """What all of these layers want from other suites, by suite.

    Raises LockError for a package that two suites are to give.
    """
    found: dict[str, Suite] = {}
    home: dict[str, str] = {}
    for spec in specs:
        for name, suite in spec.suites.items():
            for package in suite.packages:
                if home.setdefault(package, name) != name:
                    raise LockError(
                        f"package {package!r} is wanted from {home[package]} and from {name}",
                        "name it under one suite alone: a lock has one version of each package",
                    )
            found[name] = _joined(found[name], suite) if name in found else suite
    return dict(sorted(found.items()))


def _joined(one: Suite, other: Suite) -> Suite:
    return Suite(
        tuple(sorted({*one.packages, *other.packages})),
        tuple(sorted({*one.pockets, *other.pockets})),
        one.allow_expired or other.allow_expired,
    )


def read(suites: Mapping[str, Suite], *, web: Web, mirrors: Mirrors, keyring: Path | None, now: float) -> list[Other]:
    """What these suites are now, their signatures and dates checked; `now` is in seconds since 1970."""
    others = []
    for name, suite in suites.items():
        releases = read_releases(name, suite.pockets, web=web, mirror=mirrors.archive, keyring=keyring)
        if not suite.allow_expired:
            for release in releases:
                check_validity(release, f"the manifest that names {name}", now)
        others.append(Other(frozenset(suite.packages), releases))
    return others


def with_others(
    archive: Archive,
    others: Sequence[Other],
    *,
    web: Web,
    cache: Cache,
    mirrors: Mirrors,
    say: Callable[[str], None],
) -> Archive:
    """The archive with the packages that are wanted from other suites, and with what only these have.

    What else both have stays the base's own. Raises LockError for a package that the other suite does not have.
    """
    if not others:
        return archive
    candidates = dict(archive.candidates)
    for other in others:
        beside = read_archive(other.releases, archive.arch, web=web, cache=cache, mirror=mirrors.archive, say=say)
        for name in sorted(other.packages - beside.candidates.keys()):
            raise LockError(
                f"{beside.suite} has no package {name!r} for {archive.arch}",
                "correct 'suites' in the manifest, or name a package of that suite",
            )
        absent = {name: one for name, one in beside.candidates.items() if name not in candidates}
        candidates |= absent | {name: beside.candidates[name] for name in other.packages}
    return replace(archive, candidates=candidates, providers=providers_of(candidates.values()))
