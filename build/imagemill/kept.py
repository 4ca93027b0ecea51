"""What YAML became when it was read last: that takes far longer than what is asked of it most of the time.

What is kept is never right or wrong by its age: any other byte in the files that it came from is another name.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

_T = TypeVar("_T")
_MOST = 4  # of each kind: branches that one goes to and fro between


def kept(folder: Path, name: str, sources: Iterable[Path], kind: type[_T], make: Callable[[], _T]) -> _T:
    """What `make` gives, of the `kind` that msgspec can write and read; from `folder`, where it is kept under `name`.

    `sources` are the files that it depends on: its YAML, and the modules that give it its form.
    """
    digest = hashlib.sha256()
    for path in sorted(sources):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\0".encode())
        digest.update(content)
    file = folder / f"{name}-{digest.hexdigest()[:32]}.msgpack"
    try:
        return msgspec.msgpack.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        made = make()
    with suppress(OSError):  # a full disk, or one that is not to be written to: it is made again the next time
        _write(folder, name, file, msgspec.msgpack.encode(made))
    return made


def _write(folder: Path, name: str, file: Path, data: bytes) -> None:
    """Have `data` in the file, in one step, and of its kind only the latest few."""
    folder.mkdir(parents=True, exist_ok=True)
    staging = file.with_suffix(f".{os.getpid()}")
    try:
        staging.write_bytes(data)
        staging.replace(file)
    finally:
        staging.unlink(missing_ok=True)
    by_age = sorted(folder.glob(f"{name}-*.msgpack"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in by_age[_MOST:]:
        old.unlink(missing_ok=True)
