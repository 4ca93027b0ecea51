"""Making CPython 3.11 and 3.12 read a module's file although it is frozen into the interpreter.

These two hold their frozen modules as objects, not as marshalled bytes, so none can be put in another's place. Their
table of frozen modules, rows of (name, bytes, size and flag, function), finds a module by its name: the row's name is
made to begin one letter later, and the module is found where it lies. Source: Python/frozen.c, struct _frozen.
"""

from __future__ import annotations

import struct

from imagemill.errors import AssembleError

_WORD = struct.Struct("<Q")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_LOADED = 1  # PT_LOAD
_EMPTY = bytes(2 * _WORD.size)  # no marshalled bytes, their size and whether it is a package: 0


def unfreeze(program: bytes, module: str) -> bytes:
    """The interpreter `program`, an ELF file of 64 bits at a fixed address, without its frozen `module`.

    Raises AssembleError when it does not have it once in the form that is known here.
    """
    name = module.encode() + b"\0"
    rows = []
    text = program.find(name)
    while text >= 0:
        for offset, address, size in _segments(program):
            if offset <= text < offset + size:
                place = address + text - offset
                rows += [(row, place) for row in _all(program, _WORD.pack(place) + _EMPTY)]
        text = program.find(name, text + 1)
    if len(rows) != 1:
        raise AssembleError(
            f"the interpreter has {len(rows)} rows for a frozen module {module!r}, not one",
            "bring assemble/frozen.py up to date with this build of CPython",
        )
    [(row, place)] = rows
    return program[:row] + _WORD.pack(place + 1) + program[row + _WORD.size :]


def _segments(program: bytes) -> list[tuple[int, int, int]]:
    """Offset in the file, address in memory and size of what is loaded."""
    if program[:6] != b"\x7fELF\x02\x01":
        return []
    table, count = _WORD.unpack_from(program, 32)[0], struct.unpack_from("<H", program, 56)[0]
    rows = [_SEGMENT.unpack_from(program, table + n * _SEGMENT.size) for n in range(count)]
    return [(offset, address, size) for kind, _, offset, address, _, size, *_ in rows if kind == _LOADED]


def _all(program: bytes, part: bytes) -> list[int]:
    """Where `part` is."""
    found = [program.find(part)]
    while found[-1] >= 0:
        found.append(program.find(part, found[-1] + 1))
    return found[:-1]
