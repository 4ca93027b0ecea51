"""Making locks: every set of a base resolved against one state of its archives and registries."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import structs

from imagemill import pull
from imagemill.cache import Cache
from imagemill.errors import LockError
from imagemill.lock import BaseImage, DebianPackage, Download, Inputs, Item, Lock, NpmPackage, Wheel
from imagemill.manifest import Base, Layer, Runtime, Source
from imagemill.mirrors import Mirrors
from imagemill.platforms import Platform, find
from imagemill.resolve import download, npm, pypi, suites
from imagemill.resolve.debian import Archive, Release, check_validity, read_archive, read_releases
from imagemill.resolve.renewal import moving, renewed
from imagemill.web import Web

Say = Callable[[str], None]
_AT_ONCE = 4
_FROM = {DebianPackage: "", Wheel: " (PyPI)", NpmPackage: " (npm)", Download: " (upstream)", BaseImage: " (image)"}
Closures = dict[str, tuple[DebianPackage, ...]]


def resolve(
    base: Base,
    runtimes: Sequence[Runtime],
    *,
    mirrors: Mirrors,
    cache: Cache,
    progress: Say,
    before: Lock | None = None,
) -> Lock:
    """The lock of a base and of every runtime on it, as the archives and registries are now.

    Upstream downloads that the lock `before` has keep their hashes.
    """
    web = Web(mirrors)
    platforms = [find(name) for name in sorted(base.platforms)]
    specs_of = {platform.arch: sets_on(base, runtimes, str(platform)) for platform in platforms}
    releases = releases_of(base, web, mirrors)
    others = _others_of(specs_of.values(), web, mirrors)
    debian: dict[str, dict[str, tuple[DebianPackage, ...]]] = {}
    for platform in platforms:
        archive = read_archive(
            releases_for(base, releases, platform),
            platform.arch,
            web=web,
            cache=cache,
            mirror=mirrors.archive,
            say=progress,
        )
        archive = suites.with_others(archive, others, web=web, cache=cache, mirrors=mirrors, say=progress)
        debian[platform.arch] = _closures(archive, specs_of[platform.arch])

    glibc = min(_glibc(found[base.name]) for found in debian.values())
    pinned = [inputs for by_arch in (before.sets.values() if before else ()) for inputs in by_arch.values()]
    known = {one.url: one for inputs in pinned for one in inputs.downloads}
    unavailable: dict[str, dict[str, str]] = {}

    def inputs(name: str) -> dict[str, Inputs]:
        mine = [platform for platform in platforms if name in specs_of[platform.arch]]
        spec, _ = specs_of[mine[0].arch][name]
        progress(f"resolving {name}")
        try:
            return everything(name, spec, mine)
        except LockError as error:
            whole = [platform for platform in mine if not platform.port]
            if not whole or whole == mine:
                raise
            # what registries do not have for a port keeps nobody from having the rest
            found = everything(name, spec, whole)
            reason = error.message.partition("\n\n")[0]  # without uv's hints, which are about its own options
            unavailable[name] = {platform.arch: reason for platform in mine if platform.port}
            return found

    def everything(name: str, spec: Layer, mine: Sequence[Platform]) -> dict[str, Inputs]:
        wheels = [pypi.resolve(one, mine, glibc, web, mirrors) for one in spec.pypi]
        trees = [npm.resolve(one, mine, web, mirrors) for one in spec.npm]
        files = download.resolve(spec.downloads, mine, known, web=web, mirrors=mirrors, cache=cache, say=progress)
        images = pull.resolve(spec.image, mine, web) if spec.image else {}
        return {
            platform.arch: Inputs(
                debian=debian[platform.arch][name],
                pypi=tuple(wheel[platform.arch] for wheel in wheels),
                npm=tuple(tree[platform.arch] for tree in trees),
                downloads=files[platform.arch],
                image=images.get(platform.arch),
            )
            for platform in mine
        }

    names = list(dict.fromkeys(name for specs in specs_of.values() for name in specs))
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # they mostly wait for registries
        sets = dict(zip(names, pool.map(inputs, names), strict=True))
    everywhere = [*releases, *(release for other in others for release in other.releases)]
    dates = {release.suite: release.date for release in everywhere}
    return Lock(base.name, max(dates.values()), dates, sets, unavailable)


def refresh(
    lock: Lock,
    gone: Collection[DebianPackage],
    base: Base,
    runtimes: Sequence[Runtime],
    *,
    mirrors: Mirrors,
    cache: Cache,
    progress: Say,
) -> tuple[Lock, list[str]]:
    """The lock with what is gone resolved again in the same suite, and what changed, in words.

    What must move with a gone package moves too (renewal.moving), on every architecture alike, and what these
    newly depend on is added. Everything else stays as it is locked. Raises LockError when the archive's index
    still lists what its pool has not.
    """
    web = Web(mirrors)
    releases = releases_of(base, web, mirrors)
    others = _others_of([sets_on(base, runtimes, platform) for platform in base.platforms], web, mirrors)
    sources = {package.source for package in gone}
    sets = {name: dict(by_arch) for name, by_arch in lock.sets.items()}
    for platform_name in sorted(base.platforms):
        platform = find(platform_name)
        arch = platform.arch
        specs = {
            name: row for name, row in sets_on(base, runtimes, platform_name).items() if arch in sets.get(name, {})
        }
        locked = {package.name: package for name in specs for package in sets[name][arch].debian}
        offered = releases_for(base, releases, platform)
        archive = read_archive(offered, arch, web=web, cache=cache, mirror=mirrors.archive, say=progress)
        archive = suites.with_others(archive, others, web=web, cache=cache, mirrors=mirrors, say=progress)
        moved = moving(locked, sources, archive)
        if moved == locked.keys():
            fresh = _closures(archive, specs)
        else:
            fresh = {}
            for name, (spec, below) in specs.items():
                mine = {package.name: package for package in sets[name][arch].debian}
                there = {package.name for other in below for package in fresh[other]}
                fresh[name] = tuple(renewed(mine, locked, moved, there, spec.without, archive))
        for name in specs:
            sets[name][arch] = structs.replace(sets[name][arch], debian=fresh[name])
    after = structs.replace(lock, sets=sets)
    there_still = {package for by_arch in sets.values() for inputs in by_arch.values() for package in inputs.debian}
    still = sorted(there_still & set(gone))
    if still:
        names = ", ".join(f"{package.name} {package.version}" for package in still)
        raise LockError(
            f"the archive's index still lists {names}, but its pool has not", "try another mirror, or later"
        )
    return after, diff(lock, after)


def diff(old: Lock, new: Lock) -> list[str]:
    """What changed between two locks, a line for each package: `openssl 3.5.1-1 → 3.5.4-1 (amd64, arm64)`."""
    before, after = _flat(old), _flat(new)
    changed: dict[str, list[str]] = {}
    for key in sorted(before.keys() | after.keys()):
        name, arch = key
        one, other = before.get(key), after.get(key)
        if one == other:
            continue
        if other is None:
            line = f"{name} {one[0] if one else ''} removed"
        elif one is None:
            line = f"{name} {other[0]} added"
        elif one[0] == other[0]:
            line = f"{name} {one[0]}: other bytes of the same version"
        else:
            line = f"{name} {one[0]} → {other[0]}"
        changed.setdefault(line, []).append(arch)
    return [f"{line} ({', '.join(arches)})" for line, arches in changed.items()]


def sets_on(base: Base, runtimes: Sequence[Runtime], platform: str) -> dict[str, tuple[Layer, tuple[str, ...]]]:
    """Every set of the lock of a base: its layer, and the sets whose packages are there already, lowest first."""
    # what run images do without, apt in the build images would miss
    toolchain = structs.replace(base.toolchain, packages=(*base.toolchain.packages, *base.system.without))
    specs: dict[str, tuple[Layer, tuple[str, ...]]] = {
        base.name: (base.system, ()),
        f"{base.name}/toolchain": (toolchain, (base.name,)),
    }
    for runtime in runtimes:
        offer = runtime.bases.get(base.kind)
        if offer is None or offer.unavailable is not None:
            continue
        if offer.base == base.name and platform in runtime.platforms:
            specs[runtime.name] = (offer.language, (base.name,))
            if offer.language.source:
                specs |= _builders(runtime, offer.language.source, base.name, platform)
            build = structs.replace(offer.build, packages=(*offer.build.packages, *offer.language.without))
            specs[f"{runtime.name}/build"] = (build, (base.name, f"{base.name}/toolchain", runtime.name))
    return specs


def _builders(runtime: Runtime, source: Source, base: str, platform: str) -> dict[str, tuple[Layer, tuple[str, ...]]]:
    """The sets that a language is compiled with on a machine of this platform, for it and for the others."""
    others = [other for other in source.cross if other != platform and other in runtime.platforms]
    across = tuple(dict.fromkeys(package for other in others for package in source.cross[other]))
    name = f"{runtime.name}/source"
    return {
        name: (Layer(packages=source.packages), (base,)),
        f"{runtime.name}/cross": (Layer(packages=across), (base, name)),
    }


def _closures(archive: Archive, specs: Mapping[str, tuple[Layer, tuple[str, ...]]]) -> Closures:
    """The packages of every set, each without what lies below it."""
    found: Closures = {}
    for name, (spec, below) in specs.items():
        there = {package.name for other in below for package in found[other]}
        found[name] = tuple(archive.closure(spec.packages, spec.without, there))
    return found


def _glibc(packages: Sequence[DebianPackage]) -> int:
    """The minor version of the C library among a base's packages: 41 of 2.41-12."""
    version = next((package.version for package in packages if package.name == "libc6"), "2.17")
    return int(re.split(r"\D", version)[1])


def releases_of(base: Base, web: Web, mirrors: Mirrors, clock: Callable[[], float] = time.time) -> list[Release]:
    """What the base's suite and its pockets are now, their signatures and dates checked."""
    releases = read_releases(base.suite, base.pockets, web=web, mirror=mirrors.archive, keyring=_keyring(mirrors))
    if not base.allow_expired:
        for release in releases:
            check_validity(release, f"runtimes/bases/{base.name}.yaml", clock())
    return releases


def releases_for(base: Base, releases: Sequence[Release], platform: Platform) -> list[Release]:
    """Those of `releases` that a platform's packages can be had from."""
    absent = {f"{base.suite}-{pocket}" for pocket in base.absent.get(str(platform), ())}
    return [release for release in releases if release.suite not in absent]


def _others_of(
    specs_of: Iterable[Mapping[str, tuple[Layer, tuple[str, ...]]]], web: Web, mirrors: Mirrors
) -> list[suites.Other]:
    """The other suites that layers take packages from, as they are now."""
    wanted = suites.wanted(spec for specs in specs_of for spec, _ in specs.values())
    return suites.read(wanted, web=web, mirrors=mirrors, keyring=_keyring(mirrors), now=time.time())


def _keyring(mirrors: Mirrors) -> Path | None:
    setting = mirrors.environ.get("IMAGEMILL_DEBIAN_KEYRING")
    return Path(setting) if setting else None


def _flat(lock: Lock) -> dict[tuple[str, str], tuple[str, frozenset[str]]]:
    """(name, architecture) -> versions (a tree of npm's may have several of one name) and hashes."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for by_arch in lock.sets.values():
        for arch, inputs in by_arch.items():
            for item in inputs.items:
                digest, version = _identity(item)
                found.setdefault((item.name + _FROM[type(item)], arch), {})[digest] = version
    return {key: (", ".join(sorted(set(row.values()))), frozenset(row)) for key, row in found.items()}


def _identity(item: Item) -> tuple[str, str]:
    """Hash and version of an input, for people."""
    if isinstance(item, NpmPackage):
        return item.integrity, item.version
    if isinstance(item, BaseImage):  # a tag says little: it goes on to other images
        return item.digest, f"{item.version} {item.digest[:19]}"
    return item.sha256, item.version
