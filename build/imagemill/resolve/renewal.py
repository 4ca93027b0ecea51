"""What must move together when a lock's packages are gone from the archive, and what may stay as it is locked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from imagemill.lock import DebianPackage
from imagemill.resolve.debian import Archive, groups
from imagemill.resolve.debversion import fits

Locked = Mapping[str, DebianPackage]


def moving(locked: Locked, sources: Collection[str], archive: Archive) -> set[str]:
    """Names of locked packages that are to be taken anew when those of `sources` are.

    With a package move all others of its source (they depend on each other's exact version), those that its
    new version needs newer than they are locked, and those that follow its exact version from another source.
    When the archive has no longer a package at all, nothing says what its dependents want instead: then
    everything moves.
    """
    sources = set(sources)
    while True:
        moved = {name for name, package in locked.items() if package.source in sources}
        if not moved <= archive.candidates.keys():
            return set(locked)
        more = {locked[name].source for name in _too_old(locked, moved, archive) | _followers(locked, moved, archive)}
        if more <= sources:
            return moved
        sources |= more


def renewed(
    mine: Locked,
    locked: Locked,
    moved: Collection[str],
    below: Collection[str],
    without: Collection[str],
    archive: Archive,
) -> list[DebianPackage]:
    """One set of a lock (`mine`) with `moved` taken from the archive, and what these newly depend on.

    `locked` is the whole lock of the architecture: what another set has and keeps comes in that version. What
    is `below` by now is left out.
    """  # fmt: skip
    kept = {name: package for name, package in mine.items() if name not in moved and name not in below}
    fresh = archive.closure([name for name in mine if name in moved], without, {*below, *kept})
    held = [package if package.name in moved else locked.get(package.name, package) for package in fresh]
    return sorted([*kept.values(), *held])


def _too_old(locked: Locked, moved: Collection[str], archive: Archive) -> set[str]:
    """Packages that stay, but in a version that a moving one no longer takes."""
    found: set[str] = set()
    for name in moved:
        for group in groups(archive.candidates[name].depends):
            there = [(*alternative, answer) for alternative in group for answer in _answers(alternative[0], archive)
                     if answer in locked]  # fmt: skip
            if there and not any(_satisfies(*row, locked, moved, archive) for row in there):
                found |= {answer for *_, answer in there if answer not in moved}
    return found


def _answers(name: str, archive: Archive) -> list[str]:
    """The package of a name, and the packages that provide it."""
    return [name, *(provider for provider, _ in archive.providers.get(name, ()))]


def _satisfies(
    name: str, relation: str, version: str, answer: str, locked: Locked, moved: Collection[str], archive: Archive
) -> bool:
    as_listed = answer in moved or (
        answer in archive.candidates and archive.candidates[answer].package.version == locked[answer].version
    )
    if not as_listed:  # of an older version only its own name and number are known
        return not relation or (answer == name and fits(locked[answer].version, relation, version))
    if answer == name and fits(archive.candidates[answer].package.version, relation, version):
        return True
    provided = [given for provider, given in archive.providers.get(name, ()) if provider == answer]
    return any(not relation or (given and fits(given, relation, version)) for given in provided)


def _followers(locked: Locked, moved: Collection[str], archive: Archive) -> set[str]:
    """Packages that stay, superseded, whose newer version names the exact version of a moving one."""
    return {
        name
        for name, package in locked.items()
        if name not in moved
        and name in archive.candidates
        and archive.candidates[name].package.version != package.version
        and any(
            relation == "=" and other in moved
            for group in groups(archive.candidates[name].depends)
            for other, relation, _ in group
        )
    }
