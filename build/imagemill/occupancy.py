"""Who works in a directory: one run at a time, with a line that says for whom another one waits.

The lock is the kernel's (flock on `.lock`), so it goes when its owner goes, however that ends; what stands in the
file is for people.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imagemill.errors import BusyError

NAME = ".lock"


@contextmanager
def occupied(folder: Path, say: Callable[[str], None], *, wait: bool = True, shared: bool = False) -> Iterator[None]:
    """Have `folder` for ourselves, or `shared` with others who share it, until the block ends.

    Says for whom it waits; without `wait` raises BusyError instead.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with (folder / NAME).open("a+") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "another run"
            if not wait:
                raise BusyError(
                    f"{folder} is in use by {owner}", "wait for it, or leave out --no-wait, or use another directory"
                ) from None
            say(f"waiting for {owner}, which works in {folder}")
            fcntl.flock(file, kind)
        file.truncate(0)  # who shares it is not named: the one that stood there may be long gone
        if not shared:
            now = time.strftime("%Y-%m-%d %H:%M:%S %z")
            # on a full disk the name may be missing, not the lock: what makes room takes it too
            with suppress(OSError):
                os.write(file.fileno(), f"imagemill, process {os.getpid()}, since {now}".encode())
        yield


def abandoned(folder: Path) -> bool:
    """Whether nobody works in `folder`, which is then what a run left that is no more."""
    try:
        with (folder / NAME).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # gone in between
        return False
    return True
