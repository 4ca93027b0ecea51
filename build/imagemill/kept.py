"""What YAML became when it was read last: that takes far longer than what is asked of it most of the time.

What is kept is never right or wrong by its age: any other byte in the files that it came from is another name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from imagemill.whole import replace_file

_T = TypeVar("_T")
_MOST = 4  # of each kind: branches that one goes to and fro between


def kept(folder: Path, name: str, sources: Iterable[Path], kind: type[_T], make: Callable[[], _T]) -> _T:
    """What `make` gives, of the `kind` that msgspec can write and read; from `folder`, where it is kept under `name`.

    `sources` are the files that it depends on: its YAML, and the modules that give it its form.
    """
    file = folder / f"{name}-{hash_of(sources)[:32]}.msgpack"
    found = _read(file, kind)
    if found is not None:
        return found
    made = make()
    with suppress(OSError):  # a full disk, or one that is not to be written to: it is made again the next time
        _write(folder, name, file, msgspec.msgpack.encode(made))
    return made


def latest(folder: Path, name: str, kind: type[_T]) -> _T | None:
    """What was last made and kept there under `name`, whatever its sources were; None when it cannot be read."""
    files = _by_age(folder, name)
    return _read(files[0], kind) if files else None


def hash_of(files: Iterable[Path]) -> str:
    """SHA-256 of files and their names."""
    digest = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _read(file: Path, kind: type[_T]) -> _T | None:
    try:
        return msgspec.msgpack.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def _write(folder: Path, name: str, file: Path, data: bytes) -> None:
    """Have `data` in the file, in one step, and of its kind only the latest few."""
    replace_file(file, data)
    for old in _by_age(folder, name)[_MOST:]:
        old.unlink(missing_ok=True)


def _by_age(folder: Path, name: str) -> list[Path]:
    """The files of a kind, the latest first."""
    return sorted(folder.glob(f"{name}-*.msgpack"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
