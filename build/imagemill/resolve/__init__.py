"""Making locks: every set of a base resolved against one state of its archives and registries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from imagemill.errors import LockError
from imagemill.fetch import Cache, Web
from imagemill.lock import DebianPackage, Inputs, Lock, NpmPackage, Wheel
from imagemill.manifest import Base, Layer, Runtime
from imagemill.mirrors import Mirrors
from imagemill.platforms import find
from imagemill.resolve import npm, pypi
from imagemill.resolve.debian import Archive, read_archive

Say = Callable[[str], None]


def resolve(base: Base, runtimes: Sequence[Runtime], *, mirrors: Mirrors, cache: Cache, progress: Say) -> Lock:
    """The lock of a base and of every runtime on it, as the archives and registries are now."""
    web = Web(mirrors)
    sets: dict[str, dict[str, Inputs]] = {}
    releases: dict[str, int] = {}
    for platform_name in sorted(base.platforms):
        platform = find(platform_name)
        archive = _archive(base, platform.arch, web, mirrors, cache, progress)
        releases |= archive.releases
        for name, (spec, _) in _specs(base, runtimes, platform_name).items():
            progress(f"resolving {name} for {platform.arch}")
            other = next(iter(sets.get(name, {}).values()), Inputs())
            sets.setdefault(name, {})[platform.arch] = Inputs(
                debian=tuple(_debian(archive, base, name, _specs(base, runtimes, platform_name))),
                pypi=tuple(
                    tuple(pypi.resolve(one, platform, _versions(other, number), web, mirrors))
                    for number, one in enumerate(spec.pypi)
                ),
                npm=tuple(tuple(npm.resolve(one, platform, web, mirrors)) for one in spec.npm),
            )
    _check_versions(sets)
    return Lock(base.name, max(releases.values()), releases, sets)


def refresh(
    lock: Lock,
    gone: Sequence[DebianPackage],
    base: Base,
    runtimes: Sequence[Runtime],
    *,
    mirrors: Mirrors,
    cache: Cache,
    progress: Say,
) -> tuple[Lock, list[str]]:
    """The lock with what is gone resolved again in the same suite, and what changed, in words.

    With a package go all others of its source (they depend on each other's exact version), what these newly
    depend on, and what the archive has in another version of these. Everything else stays as it is locked.
    """
    web = Web(mirrors)
    sources = {package.source for package in gone}
    sets = {name: dict(by_arch) for name, by_arch in lock.sets.items()}
    for platform_name in sorted(base.platforms):
        arch = find(platform_name).arch
        archive = _archive(base, arch, web, mirrors, cache, progress)
        specs = _specs(base, runtimes, platform_name)
        for name in specs:
            if arch not in sets.get(name, {}):
                continue
            locked = {package.name: package for package in sets[name][arch].debian}
            now = _debian(archive, base, name, specs)
            kept = tuple(
                fresh if fresh.name not in locked or locked[fresh.name].source in sources else locked[fresh.name]
                for fresh in now
            )
            sets[name][arch] = replace(sets[name][arch], debian=tuple(sorted(kept)))
    renewed = replace(lock, sets=sets)
    still = [package for package in gone if package in {p for s in sets.values() for i in s.values() for p in i.debian}]
    if still:
        names = ", ".join(f"{package.name} {package.version}" for package in still)
        raise LockError(
            f"the archive's index still lists {names}, but its pool has not", "try another mirror, or later"
        )
    return renewed, diff(lock, renewed)


def diff(old: Lock, new: Lock) -> list[str]:
    """What changed between two locks, a line for each package: `openssl 3.5.1-1 → 3.5.4-1 (amd64, arm64)`."""
    before, after = _flat(old), _flat(new)
    changed: dict[str, list[str]] = {}
    for key in sorted(before.keys() | after.keys()):
        name, arch = key
        one, other = before.get(key), after.get(key)
        if one == other:
            continue
        if one is None:
            line = f"{name} {other} added"
        elif other is None:
            line = f"{name} {one} removed"
        else:
            line = f"{name} {one} → {other}"
        changed.setdefault(line, []).append(arch)
    return [f"{line} ({', '.join(arches)})" for line, arches in changed.items()]


def _specs(base: Base, runtimes: Sequence[Runtime], platform: str) -> dict[str, tuple[Layer, tuple[str, ...]]]:
    """Every set on a base: its layer, and the sets whose packages are there already."""
    # what run images do without, apt in the build images would miss
    toolchain = replace(base.toolchain, packages=(*base.toolchain.packages, *base.system.without))
    specs: dict[str, tuple[Layer, tuple[str, ...]]] = {
        base.name: (base.system, ()),
        f"{base.name}/toolchain": (toolchain, (base.name,)),
    }
    for runtime in runtimes:
        offer = runtime.bases.get(base.kind)
        if offer is not None and offer.base == base.name and platform in runtime.platforms:
            specs[runtime.name] = (offer.language, (base.name,))
            specs[f"{runtime.name}/build"] = (offer.build, (base.name, f"{base.name}/toolchain"))
    return specs


def _debian(
    archive: Archive, base: Base, name: str, specs: dict[str, tuple[Layer, tuple[str, ...]]]
) -> list[DebianPackage]:
    spec, below = specs[name]
    there: set[str] = set()
    for other in below:
        there |= {package.name for package in _debian(archive, base, other, specs)}
    return archive.closure(spec.packages, spec.without, there)


def _archive(base: Base, arch: str, web: Web, mirrors: Mirrors, cache: Cache, progress: Say) -> Archive:
    keyring = mirrors.environ.get("IMAGEMILL_DEBIAN_KEYRING")
    return read_archive(
        base.suite,
        base.pockets,
        arch,
        web=web,
        cache=cache,
        mirror=partial(mirrors.archive),
        keyring=Path(keyring) if keyring else None,
        say=progress,
    )


def _versions(inputs: Inputs, number: int) -> dict[str, str]:
    """What another architecture has locked, so that both get the same versions."""
    return {wheel.name: wheel.version for wheel in inputs.pypi[number]} if inputs.pypi else {}


def _check_versions(sets: dict[str, dict[str, Inputs]]) -> None:
    for name, by_arch in sets.items():
        versions: dict[str, dict[str, Collection[str]]] = {}
        for arch, inputs in by_arch.items():
            for group in inputs.pypi:
                for wheel in group:
                    versions.setdefault(wheel.name, {})[arch] = wheel.version
        differing = [wheel for wheel, found in versions.items() if len(set(found.values())) > 1]
        if differing:
            raise LockError(f"{name}: {', '.join(differing)} differ between architectures", "pin them in the manifest")


def _flat(lock: Lock) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for by_arch in lock.sets.values():
        for arch, inputs in by_arch.items():
            for item in inputs.items:
                name = f"{item.name} (npm)" if isinstance(item, NpmPackage) else item.name
                name = f"{item.name} (PyPI)" if isinstance(item, Wheel) else name
                found[name, arch] = item.version
    return found
