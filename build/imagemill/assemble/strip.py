"""Leaving symbol tables and debugging sections out of programs, as binutils' strip does, for any processor.

A program is loaded by its program headers: what they and the allocated sections cover stays where it is, byte for
byte. Behind it come the other sections that are kept (notes, names, comments) and a new section table.
Source of the layout: System V Application Binary Interface, chapters 4 and 5; elf(5).
"""

from __future__ import annotations

import fnmatch
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import astuple, replace

from imagemill.elf import HEADER, MAGIC
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Slice, Tree

_TABLES = struct.Struct("<QQIHHHHHH")  # e_phoff, e_shoff, e_flags, e_ehsize, then size and number of both tables' rows
_TABLES_AT = 32
_SEGMENT = struct.Struct("<8xQ16xQ16x")  # p_offset, p_filesz
_SECTION = struct.Struct("<IIQQQQIIQQ")
_LINKED = (2, 3)  # ET_EXEC, ET_DYN: an object file is linked by its symbols, so it keeps them
_SYMTAB, _RELA, _NOBITS, _REL, _SYMTAB_SHNDX = 2, 4, 8, 9, 18
_ALLOC, _INFO_LINK = 0x2, 0x40
_DEBUGGING = (b".debug_", b".zdebug_", b".gdb_index", b".stab")
_RESERVED = 0xFF00  # numbers of sections from here on mean something else
_PIECE = 1 << 20

Read = Callable[[int, int], bytes]
"""`size` bytes from an offset of the file, fewer at its end."""


class _Section(Struct, frozen=True):
    """One row of the section table, its fields in the table's order."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    row: int

    @property
    def end(self) -> int:
        """Where its bytes in the file end."""
        return self.offset + (0 if self.kind == _NOBITS else self.size)


_NOTHING = _Section(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def strip(tree: Tree, globs: Sequence[str], scratch: Path) -> Tree:
    """The tree with the files that `globs` name stripped; their new content lies in the directory `scratch`.

    `*` in a glob matches slashes, as in the manifest's `drop`. Raises AssembleError for a glob that names no file, and
    for a file that cannot be stripped.
    """
    finished = dict(tree)
    for n, glob in enumerate(globs):
        rule = re.compile(fnmatch.translate(glob.lstrip("/")))
        paths = sorted(path for path, entry in tree.items() if entry.kind == "file" and rule.fullmatch(path))
        if not paths:
            raise AssembleError(f"'strip' names {glob}, and no file of the layer is called so", "correct 'strip'")
        for m, path in enumerate(paths):
            try:
                finished[path] = _written(tree[path], scratch / f"{n}-{m}")
            except ValueError as error:
                raise AssembleError(f"/{path} cannot be stripped: {error}", "take it out of 'strip'") from None
    return finished


def _written(entry: Entry, file: Path) -> Entry:
    """The entry with its stripped content in `file`: an interpreter has 100 MB, which stay out of memory."""
    head, kept, rest = stripped(_reader(entry.content), entry.size)
    if kept == entry.size:
        return entry
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = entry.content
    front = replace(whole, size=kept) if isinstance(whole, Slice) else whole[:kept]
    with file.open("wb") as out:
        for piece in replace(entry, content=front).pieces(_PIECE):
            out.write(piece)
        out.write(rest)
        out.seek(0)
        out.write(head)
    return replace(entry, content=Slice(file, 0, kept + len(rest)))


def _reader(content: bytes | Slice) -> Read:
    if isinstance(content, Slice):
        whole = content
        return lambda offset, size: Slice(
            whole.file, whole.offset + offset, max(0, min(size, whole.size - offset))
        ).read()
    data = content
    return lambda offset, size: data[offset : offset + size]


def stripped(read: Read, size: int) -> tuple[bytes, int, bytes]:
    """The stripped form of an ELF file of `size` bytes: its new header, how many of its bytes stay, what follows them.

    All of them stay where nothing is to be left out. Raises ValueError saying what the file is instead of a program
    or library of 64 bits, little-endian, as on every platform here.
    """
    head = _exactly(read, 0, HEADER, size)
    if not head.startswith(MAGIC):
        raise ValueError("it is no ELF file")
    if head[4:6] != b"\x02\x01" or struct.unpack_from("<H", head, 16)[0] not in _LINKED:
        raise ValueError("it is no program or library of 64 bits, little-endian")
    fields = _TABLES.unpack_from(head, _TABLES_AT)
    programs, table, _, _, program_row, program_count, row, count, names = fields
    if not table:
        return head, size, b""
    if (program_row, row) != (_SEGMENT.size, _SECTION.size) or not names < count < _RESERVED:
        raise ValueError("its header is damaged")
    segments = list(_SEGMENT.iter_unpack(_exactly(read, programs, program_count * _SEGMENT.size, size)))
    sections = [_Section(*one) for one in _SECTION.iter_unpack(_exactly(read, table, count * row, size))]
    gone = _left_out(sections, names, _exactly(read, sections[names].offset, sections[names].size, size))
    loaded = [section.end for section in sections if section.flags & _ALLOC]
    end = max([HEADER, programs + program_count * program_row, *map(sum, segments), *loaded])
    if end > size:
        raise ValueError("it ends early")
    if not gone:
        return head, size, b""

    # symbols tell allocated sections by their numbers, so these keep theirs: an empty row holds the place before one
    last = max((n for n, section in enumerate(sections) if section.flags & _ALLOC), default=0)
    kept = [n for n in range(count) if n <= last or n not in gone]
    number = {n: place for place, n in enumerate(kept) if n not in gone}
    rest = bytearray()
    rows = []
    for section in (_NOTHING if n in gone else sections[n] for n in kept):
        offset = section.offset
        if section.end > end:
            _pad(rest, end, section.align)
            offset = end + len(rest)
            rest += _exactly(read, section.offset, section.size, size)
        tells = section.kind in (_REL, _RELA) or section.flags & _INFO_LINK
        info = number.get(section.info, 0) if tells else section.info
        rows.append(replace(section, offset=offset, link=number.get(section.link, 0), info=info))
    _pad(rest, end, 8)
    fields = (fields[0], end + len(rest), *fields[2:7], len(rows), number[names])
    rest += b"".join(_SECTION.pack(*astuple(one)) for one in rows)
    return head[:_TABLES_AT] + _TABLES.pack(*fields), end, bytes(rest)


def _left_out(sections: Sequence[_Section], names: int, texts: bytes) -> set[int]:
    """The numbers of the sections that go: symbols, their names, debugging, and relocations that need any of these."""
    free = {n for n, section in enumerate(sections) if n and n != names and not section.flags & _ALLOC}
    gone = {n for n in free if sections[n].kind in (_SYMTAB, _SYMTAB_SHNDX)}
    names_of_symbols = {sections[n].link for n in gone if sections[n].kind == _SYMTAB}
    gone |= names_of_symbols & free - {section.link for n, section in enumerate(sections) if n not in gone}
    gone |= {n for n in free if texts[sections[n].name :].startswith(_DEBUGGING)}
    return gone | {n for n in free if sections[n].kind in (_REL, _RELA) and gone & {sections[n].link, sections[n].info}}


def _exactly(read: Read, offset: int, size: int, whole: int) -> bytes:
    """`size` bytes of a file of `whole` bytes. Raises ValueError where it does not have them."""
    if offset + size > whole:
        raise ValueError("it is no whole ELF file")
    return read(offset, size)


def _pad(rest: bytearray, end: int, align: int) -> None:
    """Lengthen what comes after byte `end` so that it goes on at a multiple of `align`, a power of two."""
    rest += bytes(-(end + len(rest)) % max(1, min(align, 4096)))
