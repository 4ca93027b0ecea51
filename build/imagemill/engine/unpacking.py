"""Archives opened for as long as a build needs what is in them: layers, and tars that ADD unpacks."""

from __future__ import annotations

import bz2
import lzma
import mmap
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from imagemill.assemble import compression
from imagemill.errors import LayoutError
from imagemill.filetree import Entry, Slice
from imagemill.tarwalk import walk

Entries = list[tuple[str, Entry]]
_CHUNK = 1 << 20
_XZ, _BZIP2 = b"\xfd7zXZ\0", b"BZh"


class Readable(Protocol):
    """A stream to read from."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, or fewer at the end."""


class Unpacker:
    """Plain copies of archives below a scratch directory, gone at the end of the `with` block."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._known: dict[Path, Entries] = {}

    def entries(self, archive: Path) -> Entries:
        """The entries of a layer."""
        if archive not in self._known:
            with archive.open("rb") as stream:
                self._known[archive] = self._walk(compression.plain(stream, str(archive)))
        return self._known[archive]

    def archive(self, entry: Entry) -> Entries | None:
        """The entries of a file that is a tar, compressed or not; None for any other file."""
        with _stream(entry) as stream:
            head = stream.read(6)
            stream.seek(0)
            try:
                if head == _XZ:
                    with lzma.open(stream) as plain:
                        return self._walk(_pieces(plain))
                if head.startswith(_BZIP2):
                    with bz2.open(stream) as plain:
                        return self._walk(_pieces(plain))
                return self._walk(compression.plain(stream, "an archive of the context"))
            except (LayoutError, OSError, EOFError, lzma.LZMAError):
                return None

    def _walk(self, pieces: Iterable[bytes]) -> Entries:
        if self._folder is None:
            self._scratch.mkdir(parents=True, exist_ok=True)
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(dir=self._scratch)))
        path = self._folder / str(len(list(self._folder.iterdir())))
        with path.open("w+b") as file:
            file.writelines(pieces)
            file.flush()
            if not file.tell():
                raise LayoutError(f"{path} is empty", "it is no archive")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return list(walk(data, path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _stream(entry: Entry) -> IO[bytes]:
    if not isinstance(entry.content, Slice):
        return BytesIO(entry.content)
    if not entry.content.offset and entry.content.file.stat().st_size == entry.content.size:
        return entry.content.file.open("rb")
    return BytesIO(entry.read())


def _pieces(stream: Readable) -> Iterator[bytes]:
    return iter(lambda: stream.read(_CHUNK), b"")
