"""Making locks again, and telling what in them no longer fits the manifests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imagemill import lock as locks
from imagemill.errors import LockError
from imagemill.fetch import Cache
from imagemill.load import Catalog
from imagemill.manifest import Layer
from imagemill.workshop import Workshop


def update(workshop: Workshop, catalog: Catalog) -> list[str]:
    """Resolve every base's lock again and write it. Returns what changed, in words."""
    from imagemill.resolve import diff, resolve

    changes: list[str] = []
    for base in catalog.bases.values():
        path = locks.path_of(workshop.paths.root, base.name)
        workshop.progress.step(f"resolving {base.name}")
        new = resolve(
            base,
            list(catalog.runtimes.values()),
            mirrors=workshop.mirrors,
            cache=Cache(workshop.paths.cache),
            progress=workshop.progress.step,
        )
        try:
            changes += diff(locks.read(path), new)
        except LockError:
            changes.append(f"{base.name}: locked for the first time")
        locks.write(new, path)
    return changes


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
    return sorted(set(problems))


def _missing(lock: locks.Lock, name: str, spec: Layer, below: Sequence[str], arch: str) -> list[str]:
    try:
        inputs = lock.inputs(name, arch)
        there = {package.name for one in (name, *below) for package in lock.inputs(one, arch).debian}
    except LockError as error:
        return [error.message]
    wanted = [f"{name} for {arch}: {package} is not locked" for package in spec.packages if package not in there]
    if len(inputs.pypi) != len(spec.pypi) or len(inputs.npm) != len(spec.npm):
        wanted.append(f"{name} for {arch}: the number of pypi or npm sets differs")
    return wanted
