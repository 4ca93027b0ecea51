"""A full file system, said in words."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagemill.errors import SpaceError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def room(place: Path, needed: int = 0) -> Iterator[None]:
    """Have an OSError for want of space in the block be a SpaceError that names `place`.

    `needed` is about how many bytes the block writes, where that is known.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        free = shutil.disk_usage(_existing(place)).free
        words = f"about {needed / 1e6:.0f} MB are needed, " if needed else ""
        raise SpaceError(
            f"{place}: {error.strerror}: {words}{free / 1e6:.0f} MB are free",
            "make room (`imagemill prune` removes what is no longer needed) and build again: what is finished stays",
        ) from error


def _existing(place: Path) -> Path:
    return next(path for path in (place, *place.parents) if path.exists())
