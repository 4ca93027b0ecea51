"""A factory of tiny layers in real processes: `python tiny_factory.py FOLDER IMAGE...` builds into FOLDER.

Each layer holds one file. `FOLDER/slow` makes each take its time and leave a file named after its process.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from imagemill.aging import Effective
from imagemill.assemble import Assembled
from imagemill.cli.build import stoppable
from imagemill.crew import Crew
from imagemill.dist import Dist
from imagemill.factory import Factory, Paths, Result
from imagemill.filetree import Entry
from imagemill.layers import Job, LayerStore, Made, Order, craft
from imagemill.limits import MOST, Limits
from imagemill.load import load
from imagemill.lock import read
from imagemill.occupancy import occupied
from imagemill.plan import plan, select
from imagemill.progress import Silent

ROOT = Path(__file__).parents[2]
LOCK = {path.stem: Effective(read(path)) for path in ROOT.glob("runtimes/lock/*.json")}
IMAGES = plan(load(ROOT))


def tiny(self: LayerStore, job: Job, root: Path, cache: object, scratch: Path) -> Assembled:
    """Stands in for LayerStore._assemble."""
    slow = self.path.parents[1] / "slow"
    if slow.exists():
        (slow / str(os.getpid())).touch()
        time.sleep(600)
    return Assembled({"name": Entry("file", content=job.words.encode())}, [], 7)


def work(order: Order) -> tuple[Made, int]:
    """What the workers do."""
    LayerStore._assemble = tiny  # type: ignore[method-assign]
    return craft(order)


class Here(Crew):
    """A crew that works in this process."""

    def __init__(self) -> None:
        super().__init__(0, work)

    def do(self, job: Order) -> tuple[Made, int]:
        return work(job)


class Tiny(Factory):
    """A factory whose layers are tiny; `here` makes them in this process."""

    here = False

    def _crew(self, size: int) -> Crew:
        return Here() if self.here else Crew(size, work)


def build(folder: Path, *words: str, here: bool = True, platforms: tuple[str, ...] = ()) -> list[Result]:
    """Build images into `folder/dist`, with `folder/state`."""
    dist = Dist(folder / "dist")
    factory = Tiny(Paths(ROOT, folder / "state"), dist, Silent())
    factory.here = here
    with occupied(dist.path, lambda _: None):
        dist.sweep()
        stale, there = factory.pending(select(IMAGES, words), LOCK, platforms)
        return there + factory.make(stale, LOCK, platforms=platforms, limits=Limits(2, 2 * MOST))


def main() -> None:
    """Build as `imagemill build` does, with its exit codes."""
    with stoppable():
        build(Path(sys.argv[1]), *sys.argv[2:], here=False)


if __name__ == "__main__":
    main()
