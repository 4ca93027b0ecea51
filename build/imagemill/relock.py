"""Making locks again, and telling what in them no longer fits the manifests."""

from __future__ import annotations

from pathlib import Path

from imagemill import lock as locks
from imagemill.errors import LockError
from imagemill.fetch import Cache
from imagemill.load import Catalog
from imagemill.manifest import Layer
from imagemill.plan import plan
from imagemill.render import Renderer
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
    problems: list[str] = []
    renderer = Renderer(root)
    for image in plan(catalog):
        try:
            lock = locks.read(locks.path_of(root, image.base.name))
        except LockError as error:
            problems.append(error.message)
            continue
        for platform in image.platforms:
            arch = platform.partition("/")[2]
            for recipe in renderer.render(image).recipes:
                if recipe.set:
                    problems += _missing(lock, recipe.set, recipe.spec, image.base.name, arch)
    return sorted(set(problems))


def _missing(lock: locks.Lock, name: str, spec: Layer, base: str, arch: str) -> list[str]:
    try:
        inputs = lock.inputs(name, arch)
    except LockError as error:
        return [error.message]
    below = {package.name for package in inputs.debian}
    for other in {base, f"{base}/toolchain"} & lock.sets.keys():
        below |= {package.name for package in lock.inputs(other, arch).debian}
    wanted = [f"{name} for {arch}: {package} is not locked" for package in spec.packages if package not in below]
    if len(inputs.pypi) != len(spec.pypi) or len(inputs.npm) != len(spec.npm):
        wanted.append(f"{name} for {arch}: the number of pypi or npm sets differs")
    return wanted
