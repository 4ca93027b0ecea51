"""What nothing needs any more: in dist, among layers and downloads, and what dead runs left."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from imagemill import layerfacts
from imagemill import lock as locks
from imagemill.aging import Aging
from imagemill.cache import Cache
from imagemill.dist import Dist
from imagemill.factory import Factory, Paths
from imagemill.layers import LayerStore
from imagemill.load import Catalog
from imagemill.occupancy import occupied
from imagemill.plan import Image, plan
from imagemill.scratch import dead
from imagemill.workshop import Workshop


@dataclass(frozen=True)
class Useless:
    """Files and directories that go together, and why. `freed` is in bytes."""

    paths: tuple[Path, ...]
    why: str
    freed: int = 0


@contextmanager
def alone(workshop: Workshop, say: Callable[[str], None]) -> Iterator[None]:
    """No build works with this state or this dist while the block runs; it waits for those that do."""
    with occupied(workshop.paths.state, say), occupied(workshop.dist.path, say):
        yield


def useless(workshop: Workshop, catalog: Catalog, before: float) -> list[Useless]:
    """All that can go. Layers and downloads that nothing names only when they are older than `before` (seconds
    since 1970): another branch may name them.
    """
    images = plan(catalog)
    found = [
        *_images(workshop.dist, images),
        *_layers(workshop, images, before),
        *_downloads(workshop.paths, before),
        *(Useless((path,), "left by a run that is no more") for path in _unfinished(workshop)),
    ]
    return _weighed(found)


def remove(workshop: Workshop, found: Iterable[Useless]) -> None:
    """Remove it. What the record of dist names is there: images go after they have gone from it.

    Before that comes the rest, which makes the room that the new record takes.
    """
    paths = [path for one in found for path in one.paths]
    images = [path for path in paths if path.parent == workshop.dist.path and not path.name.startswith(".")]
    gone = set(images)
    for path in paths:
        if path not in gone:
            _remove(path)
    record = workshop.dist.read()
    kept = {name: artifact for name, artifact in record.items() if workshop.dist.index(name) not in gone}
    if kept != record:
        workshop.dist.write(kept)
    for path in images:
        # half a layout would look like nothing of ours: under this name the next run knows what it is
        _remove(path.rename(path.with_name(f".{path.name}.{os.getpid()}")))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _images(dist: Dist, images: Iterable[Image]) -> Iterator[Useless]:
    names = {image.name for image in images}
    layouts = {dist.layout(image.name, one.partition("/")[2]) for image in images for one in image.platforms}
    layouts |= {dist.index(name) for name in names}
    for marker in sorted(dist.path.glob("[!.]*/oci-layout")):
        if marker.parent not in layouts:
            yield Useless((marker.parent,), "no manifest plans it")
    for log in sorted(dist.logs.glob("*.log")):
        if log.stem not in names:
            yield Useless((log,), "the log of an image that no manifest plans")


def _layers(workshop: Workshop, images: list[Image], before: float) -> Iterator[Useless]:
    """Layers by key, with their other compressions, which are named by the digest of the tar in them."""
    paths = workshop.paths
    factory = Factory(paths, workshop.dist, workshop.progress)
    keys: set[str] = set()
    known = []
    for locked in (True, False):  # as committed, and as builds had to resolve it again
        aging = Aging(paths.root, paths.state, locked=locked)
        lock_of = {name: aging.effective(name) for name in {image.base.name for image in images}}
        if lock_of not in known:
            keys |= {key for cost in factory.costs(images, lock_of) for key in cost.layers}
            known.append(lock_of)
    for key, files in _by_stem(paths.layers).items():
        if key not in keys and _older(files, before):
            yield Useless(tuple(files), "a layer that no lock and no manifest names")
    store = LayerStore(paths.layers)
    there = [made.blob for key in sorted(keys) if (made := store.get(key))]
    tars = {blob.diff_id.partition(":")[2] for blob in there}
    for tar, files in _by_stem(paths.state / "recompressed").items():
        if tar not in tars and _older(files, before):
            yield Useless(tuple(files), "another compression of a layer that no lock and no manifest names")
    blobs = {blob.digest.partition(":")[2] for blob in there}
    blobs |= {path.name for path in workshop.dist.path.glob("*/blobs/sha256/*")}
    for name, files in _by_stem(layerfacts.folder(paths.cache)).items():
        if name.partition("-")[2] not in blobs and _older(files, before):
            yield Useless(tuple(files), "what was found in a layer that is no more")


def _downloads(paths: Paths, before: float) -> Iterator[Useless]:
    cache = Cache(paths.cache)
    files = [*(paths.root / "runtimes" / "lock").glob("*.json"), *(paths.state / "refreshed").glob("*.json")]
    named = {
        cache.item(item)
        for file in files
        if not file.name.endswith(".note.json")
        for by_arch in locks.read(file).sets.values()
        for inputs in by_arch.values()
        for item in inputs.items
    }
    for path in sorted(paths.cache.glob("??/*")):
        if path not in named and _older([path], before):
            yield Useless((path,), "a download that no lock names")


def _unfinished(workshop: Workshop) -> Iterator[Path]:
    """What runs left that were killed: nobody works here now."""
    yield from dead(workshop.paths.state)
    yield from sorted(workshop.dist.path.glob(".*.*"))
    for pattern in ("layers/.scratch-*", "recompressed/.scratch-*", "python/tmp*"):
        yield from sorted(workshop.paths.state.glob(pattern))


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """The files of a folder by the first part of their names."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("[!.]*")):
        found.setdefault(path.name.partition(".")[0], []).append(path)
    return found


def _older(files: Iterable[Path], before: float) -> bool:
    return max(path.stat().st_mtime for path in files) <= before


def _weighed(found: list[Useless]) -> list[Useless]:
    """The same with what each frees: a file goes with the last of its names."""
    names: Counter[tuple[int, int]] = Counter()
    weighed = []
    for one in found:
        freed = 0
        for path in one.paths:
            for file in _files(path):
                facts = file.lstat()
                names[facts.st_dev, facts.st_ino] += 1
                if names[facts.st_dev, facts.st_ino] == facts.st_nlink:
                    freed += facts.st_size
        weighed.append(replace(one, freed=freed))
    return weighed


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder, name) for name in names)
