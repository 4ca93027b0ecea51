"""Local tars that ADD unpacks: plain, or compressed with gzip, bzip2, xz or zstd."""

from __future__ import annotations

import bz2
import lzma
import mmap
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Protocol

import zstandard

from imagemill.filetree import Entry
from imagemill.merged import Walked
from imagemill.tarwalk import walk

_CHUNK = 1 << 16  # little, because each of its bytes may become a thousand
_BLOCK = 512
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


_STREAMS: dict[bytes, Callable[[], _Stream]] = {
    b"\x1f\x8b\x08": lambda: zlib.decompressobj(31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lzma.LZMADecompressor,
    b"\x28\xb5\x2f\xfd": lambda: zstandard.ZstdDecompressor().decompressobj(),
}


def unpacked(entry: Entry, path: Path) -> Walked | None:
    """The entries of the tar that a file is, or None when it is none.

    The tar is written to `path`, decompressed; the entries point into it. OSError when it is damaged after a good
    beginning, LayoutError when it cannot be read as a tar.
    """
    pieces = _plain(entry)
    try:
        head = b""
        while len(head) < _BLOCK and (piece := next(pieces, b"")):
            head += piece
    except _BROKEN:
        return None
    if not _is_header(head[:_BLOCK]):
        return None
    with path.open("w+b") as file:
        try:
            file.write(head)
            file.writelines(pieces)
        except _BROKEN as error:
            raise OSError(f"the archive is damaged: {error}") from None
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return tuple(walk(data, path))


def _is_header(block: bytes) -> bool:
    """Whether this is a tar's first header: its checksum counts itself as spaces."""
    if len(block) < _BLOCK:
        return False
    try:
        said = int(block[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return said == sum(block) - sum(block[148:156]) + 8 * ord(" ")


def _plain(entry: Entry) -> Iterator[bytes]:
    pieces = entry.pieces(_CHUNK)
    first = next(pieces, b"")
    begin = next((magic for magic in _STREAMS if first.startswith(magic)), None)
    if begin is None:
        yield first
        yield from pieces
        return
    stream = _STREAMS[begin]()
    for piece in chain([first], pieces):
        rest = piece
        while rest.strip(b"\0") if stream.eof else rest:
            if stream.eof:
                stream = _STREAMS[begin]()  # members that follow each other are one stream
            yield stream.decompress(rest)
            rest = stream.unused_data
    if not stream.eof:
        raise EOFError("its compressed data ends early")
