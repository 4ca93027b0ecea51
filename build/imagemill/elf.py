"""What the headers of an ELF file say: for which processor it is, its loader, and the libraries that it needs.

Source of the layout: System V Application Binary Interface, chapters 4 and 5; elf(5). Everything is read within
bounds: a damaged file says less, and never raises.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from msgspec import Struct

MAGIC = b"\x7fELF"
HEADER = 64
"""Bytes of the longer of both headers; a shorter file is no program."""

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29
_MAX_HEADERS = 4096  # bytes of program headers: some 70 of them, and linkers write about 12
_MAX_DYNAMIC = 1 << 16  # bytes of the dynamic section: 4096 rows, and the longest in Debian has 200
_MAX_NAME = 4096
_MOST_NAMES = 256

Read = Callable[[int, int], bytes]
"""`size` bytes from an offset of the file, fewer at its end."""


class Elf(Struct, frozen=True):
    """One ELF file. `interpreter` is empty for libraries and static programs; `search` is its RUNPATH or RPATH."""

    machine: int
    wide: bool  # 64 bit
    interpreter: str = ""
    needed: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


class _Segment(Struct, frozen=True):
    kind: int
    offset: int
    address: int
    size: int


def parse(head: bytes, read: Read) -> Elf | None:
    """The file that begins with `head` (its first 64 bytes); None when it is no ELF file."""
    if not head.startswith(MAGIC) or len(head) < HEADER:
        return None
    order, wide = ">" if head[5] == 2 else "<", head[4] == 2
    (machine,) = struct.unpack_from(order + "H", head, 18)
    segments = list(_segments(head, order, wide, read))
    first = {segment.kind: segment for segment in reversed(segments)}
    loader, needed, search = "", (), ()  # type: str, tuple[str, ...], tuple[str, ...]
    if place := first.get(_PT_INTERP):
        loader = _text(read(place.offset, min(place.size, _MAX_NAME)))
    if dynamic := first.get(_PT_DYNAMIC):
        needed, search = _dynamic(dynamic, segments, order, wide, read)
    return Elf(machine, wide, loader, needed, search)


def _segments(head: bytes, order: str, wide: bool, read: Read) -> Iterator[_Segment]:
    if wide:
        (table,) = struct.unpack_from(order + "Q", head, 32)
        width, count = struct.unpack_from(order + "HH", head, 54)
        row = order + "I4xQQ8xQ"  # p_type, p_offset, p_vaddr, p_filesz
    else:
        (table,) = struct.unpack_from(order + "I", head, 28)
        width, count = struct.unpack_from(order + "HH", head, 42)
        row = order + "III4xI"
    if width < struct.calcsize(row):
        return
    headers = read(table, min(width * count, _MAX_HEADERS))
    for start in range(0, len(headers) - width + 1, width):
        yield _Segment(*struct.unpack_from(row, headers, start))


def _dynamic(
    segment: _Segment, segments: list[_Segment], order: str, wide: bool, read: Read
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of libraries in the dynamic section, and where it says to look for them."""
    data = read(segment.offset, min(segment.size, _MAX_DYNAMIC))
    row = struct.Struct(order + ("qQ" if wide else "iI"))
    rows = list(row.iter_unpack(data[: len(data) // row.size * row.size]))
    tables = [value for tag, value in rows if tag == _DT_STRTAB]
    strings = _file_offset(tables[0], segments) if tables else None
    if strings is None:
        return (), ()

    def named(tag: int) -> tuple[str, ...]:
        places = [strings + value for found, value in rows if found == tag]
        return tuple(_text(read(place, _MAX_NAME)) for place in places[:_MOST_NAMES])

    folders = named(_DT_RUNPATH) or named(_DT_RPATH)
    return named(_DT_NEEDED), tuple(folder for one in folders for folder in one.split(":") if folder)


def _file_offset(address: int, segments: list[_Segment]) -> int | None:
    for segment in segments:
        if segment.kind == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            return segment.offset + address - segment.address
    return None


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
