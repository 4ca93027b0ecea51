"""Where a run keeps what is not finished: a directory of its own, on the file system of what it makes.

It goes with the run; what a killed run left is known by its lock, which nobody holds, and goes with the next one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagemill.occupancy import NAME, abandoned, occupied

_PREFIX = "run-"


@contextmanager
def scratch(state: Path) -> Iterator[Path]:
    """A directory below `state` until the block ends, however it ends."""
    for folder in dead(state):
        _remove(folder)
    folder = state / "scratch" / f"{_PREFIX}{uuid.uuid4().hex}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    try:
        with occupied(folder, lambda _: None):
            yield folder
    finally:
        _remove(folder)


def dead(state: Path) -> list[Path]:
    """The scratch directories of runs that are no more."""
    return [folder for folder in sorted((state / "scratch").glob(f"{_PREFIX}*")) if abandoned(folder)]


def _remove(folder: Path) -> None:
    """Remove a directory of a run. Where nothing is in it but its lock, shutil is not needed, which takes a while."""
    try:
        (folder / NAME).unlink(missing_ok=True)
        folder.rmdir()
    except OSError:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
