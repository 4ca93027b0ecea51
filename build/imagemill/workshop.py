"""One build from end to end: locks, what is to be made, downloads, layers, images, and the local engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from imagemill.aging import Aging, Effective
from imagemill.assemble.compression import GZIP, Compression
from imagemill.builder import source_date_epoch
from imagemill.cache import Cache
from imagemill.dist import Artifact, Dist
from imagemill.engine import embedded
from imagemill.engine.children import Children
from imagemill.engine.containers import Runner
from imagemill.errors import EngineError
from imagemill.factory import BuildFailed, Execute, Factory, Paths, Result
from imagemill.limits import Limits
from imagemill.limits import read as machine
from imagemill.load import Catalog
from imagemill.loading import REPOSITORY, load, local_name
from imagemill.lock import DebianPackage, Item, Lock
from imagemill.mirrors import Mirrors
from imagemill.occupancy import occupied
from imagemill.oci import REVISION, note
from imagemill.plan import Image
from imagemill.platforms import Platform
from imagemill.progress import Progress
from imagemill.room import room
from imagemill.shard import Shard, split

__all__ = ["REPOSITORY", "Workshop", "executor", "local_name"]


@dataclass(frozen=True)
class Workshop:
    """What a build needs from the outside world; nothing below it reads environment or working directory."""

    paths: Paths
    dist: Dist
    mirrors: Mirrors
    progress: Progress
    environ: Mapping[str, str] = field(repr=False)

    @property
    def epoch(self) -> int | None:
        """SOURCE_DATE_EPOCH in seconds since 1970, None where it is not set."""
        return source_date_epoch(self.environ)

    def build(
        self,
        catalog: Catalog,
        images: Sequence[Image],
        *,
        engine: str = "embedded",
        platforms: Sequence[str] = (),
        locked: bool = False,
        compression: Compression = GZIP,
        revision: str = "",
        shard: Shard | None = None,
        verify: bool = False,
        limits: Limits | None = None,
        jobs: int = 0,
        fail_fast: bool = False,
        wait: bool = True,
        hashes: Mapping[str, str] | None = None,
    ) -> list[Result]:
        """Make the images that are not in dist yet. Returns one result an image, in the order of the plan.

        `revision` is what version control calls the checkout. It is noted beside the images made now, changes no
        digest, and a new one makes no image anew: an image keeps the revision that it was first made at.

        Of a `shard` only its images are made; which these are depends on manifests and committed locks alone. With
        `verify` every byte of what is there is read. `jobs` is how many layers are made at once; by default what
        `limits` allow, which are read from the machine unless given. `hashes` are the images' input hashes where the
        plan's snapshot has them. Raises BuildFailed when some images could not be
        made, and BusyError when another run works in dist and we are not to `wait`.
        """
        aging = Aging(self.paths.root, self.paths.state, locked=locked)
        bases = {image.base.name: image.base for image in images}
        factory = Factory(
            self.paths,
            self.dist,
            self.progress,
            engine=engine,
            compression=compression,
            epoch=self.epoch,
            verify=verify,
            hashes=hashes,
        )
        if shard is not None:
            committed = Aging(self.paths.root, self.paths.state, locked=True)
            costs = factory.costs(images, {name: committed.effective(name) for name in bases}, platforms)
            mine = split(costs, shard.count)[shard.number - 1]
            images = [image for image in images if image.name in mine]
        made: dict[str, Result] = {}
        children = Children()
        with (
            room(self.dist.path),
            occupied(self.paths.state, self.progress.say, wait=wait, shared=True),
            occupied(self.dist.path, self.progress.say, wait=wait),
        ):
            self.dist.sweep()
            self.dist.mark("")
            lock_of = {name: aging.effective(name) for name in bases}
            while True:
                stale, there = factory.pending(images, lock_of, platforms)
                made = {result.artifact.name: result for result in there} | made
                if not stale:
                    break
                try:
                    results = factory.make(
                        stale,
                        lock_of,
                        execute=executor(engine, self.environ, children),
                        stop=children.end,
                        platforms=platforms,
                        fetch=self._fetch,
                        limits=limits or machine(),
                        jobs=jobs,
                        fail_fast=fail_fast,
                    )
                    made |= {result.artifact.name: result for result in results}
                    break
                except BuildFailed as failed:
                    made |= {result.artifact.name: result for result in failed.results}
                    if locked or not self._renew(catalog, aging, images, lock_of, failed):
                        fresh = made.keys() - {failure.image for failure in failed.failures}
                        failed.results = tuple(made[image.name] for image in images if image.name in fresh)
                        raise
            for result in made.values() if revision else ():
                if not result.reused:
                    note(self.dist.index(result.artifact.name), {REVISION: revision})
            if shard is not None:
                self.dist.mark(str(shard))
        for effective in lock_of.values():
            self._warn(effective)
        return [made[image.name] for image in images]

    def load(self, runner: Runner, artifacts: Sequence[Artifact], platform: Platform | None = None) -> list[str]:
        """Have these artifacts in the local engine. Returns the names that were not there before."""
        return load(self.dist, runner, artifacts, self.progress, platform)

    def _fetch(self, lock: Lock, items: Sequence[Item]) -> None:
        from imagemill.fetch import Fetcher  # urllib3 takes a while to import, and often nothing is to be fetched

        Fetcher(Cache(self.paths.cache), self.mirrors, self.progress.step).fetch(items, lock.date)

    def _renew(
        self,
        catalog: Catalog,
        aging: Aging,
        images: Sequence[Image],
        lock_of: dict[str, Effective],
        failed: BuildFailed,
    ) -> bool:
        """Resolve again what the mirrors no longer have. Whether all of it was, so that all may go well now."""
        from imagemill.fetch import Fetcher, Gone

        def refresh(lock: Lock, gone: Sequence[DebianPackage]) -> tuple[Lock, list[str]]:
            from imagemill.resolve import refresh as resolve_again

            return resolve_again(
                lock,
                gone,
                catalog.bases[lock.base],
                list(catalog.runtimes.values()),
                mirrors=self.mirrors,
                cache=Cache(self.paths.cache),
                progress=self.progress.step,
            )

        fetcher = Fetcher(Cache(self.paths.cache), self.mirrors, self.progress.step)
        base_of = {image.name: image.base.name for image in images}
        lost: dict[str, dict[Item, None]] = {}
        for name, error in failed.causes:
            if isinstance(error, Gone):
                lost.setdefault(base_of[name], {}).update(dict.fromkeys(error.items))
        for base, gone in lost.items():
            try:
                lock_of[base], _ = aging.fetch(fetcher, gone, lock_of[base], refresh)
            except Gone:  # nothing follows it, and the failure names it already
                return False
        return bool(lost)

    def _warn(self, effective: Effective) -> None:
        if effective.changes:
            self.progress.say(
                f"warning: the archive no longer has everything that runtimes/lock/{effective.lock.base}.json "
                "names; resolved again within the same suite:"
            )
            for change in effective.changes:
                self.progress.say(f"  {change}")
            self.progress.say("  `imagemill lock --update` makes this the lock; --locked makes it an error")


def executor(engine: str, environ: Mapping[str, str], children: Children) -> Execute:
    """Who executes Dockerfiles under this name; the programs that it needs are among `children`."""
    if engine == "embedded":
        return embedded.build
    if engine == "docker":
        from imagemill.engine import buildx, docker

        plugin = None
        if buildx.there(environ, children.call):
            plugin = children.awaited(partial(buildx.build, environ=environ, call=children.call))
        return partial(docker.build, connect=partial(docker.client, environ), plugin=plugin)
    if engine == "buildah":
        from imagemill.engine import buildah

        return children.awaited(partial(buildah.build, run=children.call))
    raise EngineError(f"there is no engine {engine!r}", "use embedded, docker or buildah")
