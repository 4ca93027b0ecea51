"""The factory floor: from planned images to layouts in dist, making only what is not there yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from imagemill import graph, recompress
from imagemill import lock as locks
from imagemill.aging import Effective
from imagemill.assemble import csharp, java, pyc
from imagemill.assemble.compression import GZIP, Compression
from imagemill.cache import Cache
from imagemill.crew import Crew
from imagemill.dist import Artifact, Built, Dist
from imagemill.engine import Context, embedded
from imagemill.errors import LockError
from imagemill.fingerprint import compiler_sets
from imagemill.floor import BuildFailed, Floor, Result
from imagemill.layers import Job, LayerStore, Order, craft, grown
from imagemill.limits import MOST, Limits
from imagemill.lock import Lock
from imagemill.logbook import Logbook
from imagemill.oci import Descriptor, Layout, write_index
from imagemill.paths import Paths
from imagemill.plan import Image, database_sets
from imagemill.platforms import Platform, find, native
from imagemill.progress import Progress
from imagemill.render import Recipe, Rendered, Renderer
from imagemill.room import room
from imagemill.scratch import scratch
from imagemill.shard import Cost
from imagemill.tasks import FETCH, IMAGE, LAYER, Fetch, Tasks

__all__ = ["BuildFailed", "Execute", "Factory", "Fetch", "Paths", "Result"]

Execute = Callable[..., Descriptor]


class Factory:
    """Makes images of one checkout into one dist directory; with `epoch` (SOURCE_DATE_EPOCH) nothing is newer.

    `hashes` are the input hashes, by name, of images under the committed lock as they are known already.
    """

    def __init__(
        self,
        paths: Paths,
        dist: Dist,
        progress: Progress,
        *,
        engine: str = "embedded",
        compression: Compression = GZIP,
        epoch: int | None = None,
        verify: bool = False,
        hashes: Mapping[str, str] | None = None,
    ) -> None:
        self._paths = paths
        self._dist = dist
        self._progress = progress
        self._engine = engine
        self._compression = compression
        self._epoch = epoch
        self._verify = verify
        self._hashes = hashes or {}
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
            wanted = self._input_hash(image, lock_of[image.base.name])
            artifact = known.get(image.name)
            if (
                artifact is not None
                and artifact.input_hash == wanted
                and artifact.engine == self._engine
                and set(_chosen(image, platforms)) <= set(artifact.platforms)
                and self._dist.holds(artifact, verify=self._verify)
            ):
                there.append(Result(artifact, True, 0.0))
            else:
                stale.append(self._renderer.render(image))
        return stale, there

    def make(
        self,
        stale: Sequence[Rendered],
        lock_of: Mapping[str, Effective],
        *,
        execute: Execute = embedded.build,
        stop: Callable[[], None] | None = None,
        platforms: Sequence[str] = (),
        fetch: Fetch | None = None,
        limits: Limits = Limits(1, MOST),  # noqa: B008 - immutable
        jobs: int = 0,
        fail_fast: bool = False,
    ) -> list[Result]:
        """Make the layers that are missing, and each image, its index and its record as soon as its layers are there.

        `fetch` brings their inputs while others are made; without it they are in the cache. `jobs` is how many layers
        are made at once, by default what `limits` allow. `stop` ends what `execute` still does when we are stopped.
        Raises BuildFailed once all that can be made is made.
        """
        logbook = Logbook(self._dist.logs)
        for rendered in stale:
            effective = lock_of[rendered.image.base.name]
            wanted = self._input_hash(rendered.image, effective)
            logbook.open(rendered.image.name, f"engine {self._engine}, lock {effective.state}, input hash {wanted}")
        count = limits.jobs(jobs)
        memory = max(limits.memory, count * MOST) if jobs else limits.memory
        with scratch(self._paths.state) as folder, self._crew(count) as crew, ExitStack() as last:
            if stop is not None:
                last.callback(stop)
            order = partial(
                Order, store=self._paths.layers, root=self._paths.root, cache=self._paths.cache, scratch=folder
            )
            tasks = Tasks(self._store, Cache(self._paths.cache), crew, order, fetch, self._verify)
            for rendered in stale:
                effective = lock_of[rendered.image.base.name]
                needed = self._jobs([rendered], lock_of, platforms)
                call = partial(self._make_image, rendered, effective, execute, platforms, folder)
                tasks.image(rendered.image.name, call, list(needed.values()), effective.lock)
            floor = Floor(self._dist, self._progress, logbook, tasks)
            places = {FETCH: 1, LAYER: count, IMAGE: count}
            graph.run(list(tasks.table.values()), places, memory, floor, fail_fast=fail_fast)
        return floor.outcome([rendered.image.name for rendered in stale])

    def costs(
        self, images: Sequence[Image], lock_of: Mapping[str, Effective], platforms: Sequence[str] = ()
    ) -> list[Cost]:
        """What each image is made of, whether it is there or not: the same on every machine, and for every store."""
        found = []
        for image in images:
            jobs = self._jobs([self._renderer.render(image)], lock_of, platforms)
            layers = {job.key: job.size for job in jobs.values()}
            found.append(Cost(image.name, image.runtime.name, layers))
        return found

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

    def _input_hash(self, image: Image, effective: Effective) -> str:
        exact = effective.state == "exact"
        base = self._hashes.get(image.name) if exact else None
        if base is None:
            base = self._renderer.input_hash(self._renderer.render(image), effective.lock)
        lock = "" if exact else f"+{effective.state}"
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
        runs = _compiler(image, recipe, lock, platform)
        return Job(key, recipe, platform, image.base, inputs, (), runs, self._epoch)

    def _crew(self, size: int) -> Crew:
        return Crew(size, craft, grown)

    def _make_image(
        self,
        rendered: Rendered,
        effective: Effective,
        execute: Execute,
        platforms: Sequence[str],
        scratch: Path,
    ) -> Artifact:
        image = rendered.image
        descriptors: list[tuple[Path, Descriptor]] = []
        built: dict[str, Built] = {}
        self._dist.path.mkdir(parents=True, exist_ok=True)
        for platform in map(find, _chosen(image, platforms)):
            context, epoch = self.context(rendered, effective, platform)
            layout = self._dist.layout(image.name, platform.arch)
            with room(self._dist.path):
                descriptor = execute(
                    context,
                    platform,
                    layout=layout,
                    name=image.name,
                    epoch=epoch,
                    scratch=scratch / f"{image.name}-{platform.arch}",
                )
                if self._compression != GZIP:  # which every engine's layers have
                    descriptor = recompress.image(layout, self._compression, self._paths.recompressed, image.name)
            descriptors.append((layout, descriptor))
            manifest = Layout(layout).read_json(descriptor.digest)
            size = sum(layer["size"] for layer in manifest["layers"])
            tags = tuple(f"{tag}-{platform.arch}" for tag in image.tags)
            built[str(platform)] = Built(descriptor.digest, size, manifest["config"]["digest"], tags)
        with room(self._dist.path):
            index = write_index(self._dist.index(image.name), descriptors, image.name)
        wanted = self._input_hash(image, effective)
        parts = self._renderer.parts(rendered, effective.lock)
        return Artifact(
            image.name, image.tags, index.digest, index.size, built, wanted, self._engine, effective.state, parts
        )


def _compiler(image: Image, recipe: Recipe, lock: Lock, platform: Platform) -> tuple[locks.DebianPackage, ...]:
    """The packages, of this machine's architecture, of what compiles parts of the layer."""
    here = native().arch
    if recipe.spec.python:
        names = (image.base.name, image.runtime.name)
        return pyc.interpreter(package for name in names for package in lock.inputs(name, here).debian)
    if recipe.spec.jars:
        sets = [image.base.name, *(name for jar in recipe.spec.jars.values() for name in compiler_sets(jar.compiler))]
        return java.compiler([package for name in sets for package in lock.inputs(name, here).debian])
    if recipe.spec.source:
        return _builders(image, lock, platform.arch)
    if recipe.spec.dotnet:
        return csharp.libraries(lock.inputs(image.base.name, here).debian)
    return ()


def _builders(image: Image, lock: Lock, arch: str) -> tuple[locks.DebianPackage, ...]:
    """What a language is compiled with here, and for another architecture what is linked against there."""
    base, name, here = image.base.name, image.runtime.name, native().arch
    sets = [(one, of) for one in (base, f"{name}/source") for of in dict.fromkeys((here, arch))]
    sets.append((f"{name}/cross", here))  # always: what was built for here builds for the others too
    found = ((package, of) for one, of in sets for package in lock.inputs(one, of).debian)
    # those for all architectures are in the set for here; where pockets differ, the other's may be of another version
    return tuple(dict.fromkeys(package for package, of in found if of == here or package.architecture != "all"))


def _chosen(image: Image, platforms: Sequence[str]) -> list[str]:
    return [platform for platform in image.platforms if not platforms or platform in platforms]
