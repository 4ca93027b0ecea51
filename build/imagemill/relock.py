"""Making locks again, and telling what in them no longer fits the manifests or is no longer the newest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from imagemill import lock as locks
from imagemill.cache import Cache
from imagemill.errors import LockError, SelectionError
from imagemill.load import Catalog
from imagemill.manifest import Base, Layer
from imagemill.platforms import Platform, find
from imagemill.workshop import Workshop

if TYPE_CHECKING:
    from imagemill.resolve.outdated import Newer


def only(catalog: Catalog, names: Sequence[str]) -> Catalog:
    """The catalog with these bases alone; all of them where no name is given. Raises SelectionError."""
    for name in names:
        if name not in catalog.bases:
            raise SelectionError(f"no base is called {name!r}", f"use one of: {', '.join(catalog.bases)}")
    chosen = {name: base for name, base in catalog.bases.items() if name in names or not names}
    return replace(catalog, bases=chosen)


def update(workshop: Workshop, catalog: Catalog) -> dict[str, list[str]]:
    """Resolve the lock of every base again and write it. Returns what changed, in words, by base."""
    from imagemill.resolve import diff

    changes: dict[str, list[str]] = {}
    for base in catalog.bases.values():
        path = locks.path_of(workshop.paths.root, base.name)
        try:
            old = locks.read(path)
        except LockError:
            old = None
        new = _resolved(workshop, catalog, base, old)
        changes[base.name] = diff(old, new) if old else [f"{len(new.sets)} sets, locked for the first time"]
        locks.write(new, path)
    return changes


def outdated(workshop: Workshop, catalog: Catalog, *, only_security: bool = False) -> list[Newer]:
    """What is to be had newer than the locks have it, security updates first; with `only_security`, these alone.

    A package that has a security update is listed once.
    """
    from imagemill.resolve import outdated, releases_of
    from imagemill.web import Web

    cache, mirrors, say = Cache(workshop.paths.cache), workshop.mirrors, workshop.progress.step
    urgent: list[Newer] = []
    others: list[Newer] = []
    for base in catalog.bases.values():
        lock = locks.read(locks.path_of(workshop.paths.root, base.name))
        web = Web(mirrors)
        mine = outdated.security(
            lock, base, releases_of(base, web, mirrors), web=web, cache=cache, mirrors=mirrors, say=say
        )
        urgent += mine
        if not only_security:
            named = {row.name for row in mine}
            found = outdated.newer(lock, _resolved(workshop, catalog, base, lock))
            others += [row for row in found if row.kind != "debian" or row.name not in named]
    return urgent + others


def uncovered(root: Path, catalog: Catalog) -> list[str]:
    """What the manifests ask for by name and the locks do not have, a line each."""
    from imagemill.resolve import sets_on

    problems: list[str] = []
    for base in catalog.bases.values():
        try:
            lock = locks.read(locks.path_of(root, base.name))
        except LockError as error:
            problems.append(error.message)
            continue
        for platform in base.platforms:
            arch = platform.partition("/")[2]
            for name, (spec, below) in sets_on(base, list(catalog.runtimes.values()), platform).items():
                problems += _missing(lock, name, spec, below, arch)
                problems += _other_files(lock, name, spec, find(platform))
    return sorted(set(problems))


def _missing(lock: locks.Lock, name: str, spec: Layer, below: Sequence[str], arch: str) -> list[str]:
    if any(arch in lock.unavailable.get(one, {}) for one in (name, *below)):
        return []
    try:
        inputs = lock.inputs(name, arch)
        there = {package.name for one in (name, *below) for package in lock.inputs(one, arch).debian}
    except LockError as error:
        return [error.message]
    wanted = [f"{name} for {arch}: {package} is not locked" for package in spec.packages if package not in there]
    if len(inputs.pypi) != len(spec.pypi) or len(inputs.npm) != len(spec.npm):
        wanted.append(f"{name} for {arch}: the number of pypi or npm sets differs")
    return wanted


def _other_files(lock: locks.Lock, name: str, spec: Layer, platform: Platform) -> list[str]:
    """The downloads and the image that are not locked as the manifest has them."""
    inputs = lock.sets.get(name, {}).get(platform.arch, locks.Inputs())
    there = {one.name: one for one in inputs.downloads}
    wrong = []
    for key, wanted in spec.downloads.items():
        pin = there.pop(key, None)
        published = wanted.hash_for(platform)
        if pin is None or (pin.version, pin.url) != (wanted.version, wanted.address(platform)):
            wrong.append(f"{name} for {platform.arch}: download {key} {wanted.version} is not locked")
        elif published and pin.sha256 != published:
            wrong.append(f"{name} for {platform.arch}: download {key} is locked with another sha256")
    wrong += [f"{name} for {platform.arch}: download {key} is locked, but not asked for" for key in there]
    image = f"{inputs.image.name}:{inputs.image.version}" if inputs.image else None
    if image != spec.image:
        wrong.append(f"{name} for {platform.arch}: the manifest has image {spec.image}, the lock {image}")
    return wrong


def _resolved(workshop: Workshop, catalog: Catalog, base: Base, before: locks.Lock | None) -> locks.Lock:
    from imagemill.resolve import resolve

    workshop.progress.step(f"resolving {base.name}")
    return resolve(
        base,
        list(catalog.runtimes.values()),
        mirrors=workshop.mirrors,
        cache=Cache(workshop.paths.cache),
        progress=workshop.progress.step,
        before=before,
    )
