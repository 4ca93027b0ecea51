"""Where the seconds of a build go, and what the floor is: `python tests/bench/phases.py [IMAGE]`.

Makes the layers of one image for this machine's architecture from nothing, one after the other in this process, so that
each phase is seen alone; a build has them overlap, on all cores. The floor is a plain loop that reads the same tars
once, hashes and compresses them, and writes the result.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from measure import ROOT, Fresh, found, fresh, say, seconds, started

from imagemill import assemble, layers
from imagemill.aging import Effective
from imagemill.assemble import botocore, deb, dpkg, java, layout, npm, python, ruby, tarball, wheel
from imagemill.assemble.compression import Writer
from imagemill.dist import Dist
from imagemill.engine import embedded
from imagemill.factory import Factory, Paths
from imagemill.fetch import Cache, Fetcher
from imagemill.layers import Job
from imagemill.load import load
from imagemill.lock import read
from imagemill.mirrors import Mirrors
from imagemill.plan import Image, plan, select
from imagemill.platforms import native
from imagemill.progress import Silent
from imagemill.render import Renderer
from imagemill.workshop import Workshop

_PIECE = 1 << 20
_SPIED: dict[str, list[tuple[Any, str]]] = {
    "unpack packages": [(deb, "unpack_all")],
    "unpack wheels and npm tarballs": [(wheel, "unpack_set"), (npm, "unpack")],
    "compile Python": [(python, "finish")],
    "pack botocore's models anew": [(botocore, "without_descriptions")],
    "compile Go and Java": [(layers, "init_layer"), (layers, "compile_program"), (java.NativeJava, "jar")],
    "place files, leave out, headers, records": [
        (layout, "place"), (layout, "union"), (layout, "moved"), (ruby, "finish"), (assemble, "record"),
        (dpkg, "database"),
    ],
}  # fmt: skip


def processor() -> float:
    """Seconds of processor time that this process and those it started and waited for have had."""
    return sum(os.times()[:4])


class Clock:
    """Seconds of processor time by phase; what a phase calls of another counts for that one alone.

    Not those on the wall: these measure what else the machine does, and where all cores are used, how many there are.
    """

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What happens inside is of this phase."""
        begun = processor()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = processor() - begun
            self.spent[name] += whole - self._inner.pop()
            self._inner[-1] += whole

    def wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """A function whose time is of this phase."""

        @functools.wraps(call)
        def spied(*given: Any, **named: Any) -> Any:
            with self.phase(name):
                return call(*given, **named)

        return spied


def layer(job: Job, place: Paths, clock: Clock, tar: Path) -> None:
    """Make one layer; each phase that a build overlaps runs alone. The plain tar stays at `tar`."""
    store = layers.LayerStore(place.layers)
    with tempfile.TemporaryDirectory(dir=place.state) as folder:
        with clock.phase("the rest of assembling"):
            made = store._assemble(job, place.root, Cache(place.cache), Path(folder))
        with clock.phase("write the tar"), tar.open("wb") as file:
            for piece in tarball.pack(made.tree, made.epoch):
                file.write(piece)
        with mock.patch.object(layers.LayerStore, "_assemble", return_value=made):  # for the layers above
            store.make(job, root=place.root, cache=place.cache, scratch=place.state / "scratch")
    with clock.phase("hash the tar"), tar.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    with clock.phase("compress, hash what comes of it"), tar.open("rb") as file, Path(os.devnull).open("wb") as out:
        pack = Writer(out)
        while piece := file.read(_PIECE):
            pack.add(piece)
        pack.finish()


def floor(tars: list[Path], folder: Path) -> float:
    """Seconds of processor time to read all of this once, hash, compress, hash and write it, in one thread."""
    begun = processor()
    for tar in tars:
        plain = hashlib.sha256()
        with tar.open("rb") as file, (folder / "floor").open("wb") as out:
            pack = Writer(out)
            while piece := file.read(_PIECE):
                plain.update(piece)
                pack.add(piece)
            pack.finish()
    return processor() - begun


def measure(image: Image, place: Fresh, clock: Clock) -> float:
    """Fill the clock; returns the floor. Downloads are fetched again into a cache of their own."""
    paths = Paths(ROOT, place.state)
    platform, mirrors = native(), Mirrors.discover(os.environ)
    effective = Effective(read(ROOT / "runtimes" / "lock" / f"{image.base.name}.json"))
    workshop = Workshop(paths, Dist(place.dist), mirrors, Silent(), os.environ)
    factory = Factory(paths, workshop.dist, Silent())
    rendered = Renderer(ROOT).render(image)
    jobs = list(factory._jobs([rendered], {image.base.name: effective}, [str(platform)]).values())
    with clock.phase("fetch"):
        items = {item: None for job in jobs for item in (*job.inputs.items, *job.native)}
        Fetcher(Cache(paths.cache), mirrors, lambda _: None).fetch(items, effective.lock.date)
    tars = [place.state / f"{number}.tar" for number in range(len(jobs))]
    with ExitStack() as stack:
        spies = [
            stack.enter_context(mock.patch.object(owner, name, clock.wrapped(phase, getattr(owner, name))))
            for phase, rows in _SPIED.items()
            for owner, name in rows
        ]
        assert spies
        for job, tar in zip(jobs, tars, strict=True):
            layer(job, paths, clock, tar)
    least = min(floor(tars, place.state) for _ in range(3))
    with clock.phase("execute the Dockerfile, write the layout"):
        context, epoch = factory.context(rendered, effective, platform)
        target = workshop.dist.layout(image.name, platform.arch)
        embedded.build(context, platform, layout=target, name=image.name, epoch=epoch, scratch=place.state / "scratch")
    size = sum(tar.stat().st_size for tar in tars) / 1e6
    say(f"{image.name}, {platform.arch}: {len(items)} downloads, {len(jobs)} layers", f"{size:.0f} MB")
    return least


def load_time(words: list[str], place: Fresh) -> float:
    """Seconds for the command that finds it built and loads it into a podman that has no images; 0 without one."""
    if not found("podman"):
        return 0.0
    settings = place.state / "storage.conf"
    store = place.state / "podman"
    settings.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{store}/graph"\nrunroot = "{store}/run"\n')
    environ = {**place.environ, "CONTAINERS_STORAGE_CONF": str(settings), "IMAGEMILL_RUNNER": "podman"}
    return seconds(words, environ)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("image", nargs="?", default="python3.13")
    given = arguments.parse_args()
    started("where the seconds of the processor go")
    [image] = select(plan(load(ROOT)), [given.image])
    clock = Clock()
    with fresh("go") as place:
        least = measure(image, place, clock)
    with fresh("cache", "go") as place:
        words = place.build("--platform", str(native()), given.image)
        begun = processor()
        whole = seconds(words, place.environ)
        spent = processor() - begun
        loaded = load_time([word for word in words if word != "--no-load"], place)
    for name, busy in clock.spent.items():
        say(f"  {name}", f"{busy:.2f} s")
    say("  the floor: read, hash, compress and write the tars once", f"{least:.2f} s")
    say("  all phases", f"{sum(clock.spent.values()):.2f} s", f"{sum(clock.spent.values()) / least:.1f} × the floor")
    say("  the whole command, downloads cached, nothing loaded", f"{spent:.2f} s", f"{whole:.2f} s on the wall")
    if loaded:
        say("  loading it into podman (a command that finds it built)", "", f"{loaded:.2f} s on the wall")


if __name__ == "__main__":
    main()
