"""The factory floor: from planned images to layouts in dist, making only what is not there yet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from imagemill import lock as locks
from imagemill import recompress
from imagemill.aging import Effective
from imagemill.assemble.compression import GZIP, Compression
from imagemill.dist import Artifact, Built, Dist
from imagemill.engine import Context, embedded
from imagemill.errors import LockError
from imagemill.fingerprint import database_sets
from imagemill.layers import Job, LayerStore, Made
from imagemill.lock import Lock
from imagemill.oci import Descriptor, Layout, write_index
from imagemill.plan import Image
from imagemill.platforms import Platform, find, native
from imagemill.progress import Progress
from imagemill.render import Recipe, Rendered, Renderer

Execute = Callable[..., Descriptor]


@dataclass(frozen=True)
class Paths:
    """Where a checkout keeps things."""

    root: Path
    state: Path  # .imagemill: cache, layers, refreshed locks

    @property
    def cache(self) -> Path:
        """Downloads by hash."""
        return self.state / "cache"

    @property
    def layers(self) -> Path:
        """Finished layers by the hash of their inputs."""
        return self.state / "layers"

    @property
    def recompressed(self) -> Path:
        """The same layers in other compressions, by their diff ids."""
        return self.state / "recompressed"


@dataclass(frozen=True)
class Result:
    """What became of one image: its artifact, whether anything was done for it, and how long it took."""

    artifact: Artifact
    reused: bool
    seconds: float


class Factory:
    """Makes images of one checkout into one dist directory; with `epoch` (SOURCE_DATE_EPOCH) nothing is newer."""

    def __init__(
        self,
        paths: Paths,
        dist: Dist,
        progress: Progress,
        *,
        engine: str = "embedded",
        compression: Compression = GZIP,
        epoch: int | None = None,
    ) -> None:
        self._paths = paths
        self._dist = dist
        self._progress = progress
        self._engine = engine
        self._compression = compression
        self._epoch = epoch
        self._renderer = Renderer(paths.root, engine=engine, epoch=epoch)
        self._store = LayerStore(paths.layers)

    def pending(
        self, images: Sequence[Image], lock_of: Mapping[str, Effective], platforms: Sequence[str] = ()
    ) -> tuple[list[Rendered], list[Result]]:
        """Split images into those to make and those that are there already, by input hash."""
        known = self._dist.read()
        stale: list[Rendered] = []
        there: list[Result] = []
        for image in images:
            rendered = self._renderer.render(image)
            wanted = self._input_hash(rendered, lock_of[image.base.name])
            artifact = known.get(image.name)
            if (
                artifact is not None
                and artifact.input_hash == wanted
                and artifact.engine == self._engine
                and set(_chosen(image, platforms)) <= set(artifact.platforms)
                and self._dist.holds(artifact)
            ):
                there.append(Result(artifact, True, 0.0))
            else:
                stale.append(rendered)
        return stale, there

    def make(
        self,
        stale: Sequence[Rendered],
        lock_of: Mapping[str, Effective],
        *,
        execute: Execute = embedded.build,
        platforms: Sequence[str] = (),
    ) -> list[Result]:
        """Make the layers that are missing, then the images, then their indexes and the record."""
        jobs = self._jobs(stale, lock_of, platforms)
        spent = self._make_layers(jobs)
        results = []
        record = dict(self._dist.read())
        for rendered in stale:
            effective = lock_of[rendered.image.base.name]
            result = self._make_image(rendered, effective, execute, platforms)
            # a layer that several images share counts for the first of them
            mine = self._jobs([rendered], lock_of, platforms)
            seconds = result.seconds + sum(spent.pop(key, 0.0) for key in mine)
            result = replace(result, seconds=seconds)
            record[rendered.image.name] = result.artifact
            self._dist.write(record)
            results.append(result)
        return results

    def missing_inputs(
        self, stale: Sequence[Rendered], lock_of: Mapping[str, Effective], platforms: Sequence[str] = ()
    ) -> list[locks.Item]:
        """What the layers that are still to be made need from mirrors."""
        items: dict[object, locks.Item] = {}
        for job in self._jobs(stale, lock_of, platforms).values():
            if self._store.get(job.key) is None:
                for item in (*job.inputs.items, *job.native):
                    items[item] = item
        return list(items.values())

    def context(self, rendered: Rendered, effective: Effective, platform: Platform) -> tuple[Context, int]:
        """What an engine needs for one platform, and the newest time in it."""
        archives, epoch = {}, 0
        for recipe in rendered.recipes:
            key = self._renderer.layer_hash(rendered.image, recipe, effective.lock, platform.arch)
            made = self._store.get(key)
            if made is None:
                raise LockError(f"layer {recipe.name} of {rendered.image.name} was not made", "build again")
            archives[f"{recipe.name}-{platform.arch}.tar"] = made.blob
            epoch = max(epoch, made.epoch)
        if self._epoch is not None:
            epoch = self._epoch
        known = frozenset(path for recipe in rendered.recipes for path in recipe.spec.directories)
        given = {"IMAGEMILL_LOCK": effective.state}
        return Context(rendered.dockerfile, archives, {}, given, directories=known), epoch

    def _input_hash(self, rendered: Rendered, effective: Effective) -> str:
        base = self._renderer.input_hash(rendered, effective.lock)
        lock = "" if effective.state == "exact" else f"+{effective.state}"
        compression = "" if self._compression == GZIP else f"+{self._compression}"
        return f"{base}{lock}{compression}"

    def _jobs(
        self, stale: Sequence[Rendered], lock_of: Mapping[str, Effective], platforms: Sequence[str]
    ) -> dict[str, Job]:
        jobs: dict[str, Job] = {}
        for rendered in stale:
            image = rendered.image
            lock = lock_of[image.base.name].lock
            for platform in map(find, _chosen(image, platforms)):
                for recipe in rendered.recipes:
                    job = self._job(image, rendered, recipe, lock, platform)
                    jobs[job.key] = job
        return jobs

    def _job(self, image: Image, rendered: Rendered, recipe: Recipe, lock: Lock, platform: Platform) -> Job:
        key = self._renderer.layer_hash(image, recipe, lock, platform.arch)
        if recipe.kind == "database":
            sets = database_sets(image)
            below = tuple(
                self._renderer.layer_hash(image, other, lock, platform.arch)
                for other in rendered.recipes
                if other.set in sets
            )
            return Job(key, recipe, platform, image.base, locks.Inputs(), below, epoch=self._epoch)
        inputs = lock.inputs(recipe.set, platform.arch) if recipe.set else locks.Inputs()
        interpreter: tuple[locks.DebianPackage, ...] = ()
        if recipe.spec.python:
            here = native().arch
            interpreter = (
                *lock.inputs(image.base.name, here).debian,
                *lock.inputs(image.runtime.name, here).debian,
            )
        return Job(key, recipe, platform, image.base, inputs, (), interpreter, self._epoch)

    def _make_layers(self, jobs: Mapping[str, Job]) -> dict[str, float]:
        """Make what is missing. Returns the seconds of work that each layer took, by key."""
        missing = [job for job in jobs.values() if self._store.get(job.key) is None]
        first = [job for job in missing if job.recipe.kind != "database"]
        first.sort(key=_weight, reverse=True)  # the longest first, so that no core waits for it at the end
        return self._run(first) | self._run([job for job in missing if job.recipe.kind == "database"])

    def _run(self, jobs: Sequence[Job]) -> dict[str, float]:
        spent: dict[str, float] = {}
        if not jobs:
            return spent
        # processes, not threads: half of the work is Python; `spawn` inherits no locks of other threads
        workers = min(os.cpu_count() or 1, len(jobs))
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            running: dict[Future[tuple[Made, float]], Job] = {
                pool.submit(_timed, self._store, job, self._paths): job for job in jobs
            }
            try:
                for done, future in enumerate(as_completed(running), 1):
                    made, seconds = future.result()
                    job = running[future]
                    spent[job.key] = seconds
                    size = made.blob.size / 1e6
                    self._progress.step(f"layer {done}/{len(jobs)}: {job.words}, {size:.1f} MB, {seconds:.1f} s")
            except BaseException:
                for future in running:
                    future.cancel()
                raise
        return spent

    def _make_image(
        self, rendered: Rendered, effective: Effective, execute: Execute, platforms: Sequence[str]
    ) -> Result:
        started = time.monotonic()
        image = rendered.image
        descriptors: list[tuple[Path, Descriptor]] = []
        built: dict[str, Built] = {}
        for platform in map(find, _chosen(image, platforms)):
            context, epoch = self.context(rendered, effective, platform)
            layout = self._dist.layout(image.name, platform.arch)
            self._dist.path.mkdir(parents=True, exist_ok=True)
            descriptor = execute(
                context,
                platform,
                layout=layout,
                name=image.name,
                epoch=epoch,
                scratch=self._paths.state / "scratch" / f"{image.name}-{platform.arch}",
            )
            if self._compression != GZIP:  # which every engine's layers have
                descriptor = recompress.image(layout, self._compression, self._paths.recompressed, image.name)
            descriptors.append((layout, descriptor))
            manifest = Layout(layout).read_json(descriptor.digest)
            size = sum(layer["size"] for layer in manifest["layers"])
            tags = tuple(f"{tag}-{platform.arch}" for tag in image.tags)
            built[str(platform)] = Built(descriptor.digest, size, manifest["config"]["digest"], tags)
        index = write_index(self._dist.index(image.name), descriptors, image.name)
        wanted = self._input_hash(rendered, effective)
        parts = self._renderer.parts(rendered, effective.lock)
        artifact = Artifact(
            image.name, image.tags, index.digest, index.size, built, wanted, self._engine, effective.state, parts
        )
        self._progress.step(f"image {image.name}: {index.digest}")
        return Result(artifact, False, time.monotonic() - started)


def _timed(store: LayerStore, job: Job, paths: Paths) -> tuple[Made, float]:
    """Make one layer, in a process of its own. Returns it with the seconds that it took."""
    started = time.monotonic()
    made = store.make(job, root=paths.root, cache=paths.cache)
    return made, time.monotonic() - started


def _chosen(image: Image, platforms: Sequence[str]) -> list[str]:
    return [platform for platform in image.platforms if not platforms or platform in platforms]


def _weight(job: Job) -> int:
    return sum(package.size for package in job.inputs.debian) + 1_000_000 * sum(map(len, job.inputs.pypi))
