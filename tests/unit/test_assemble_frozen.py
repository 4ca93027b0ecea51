"""Modules that are frozen into an interpreter as objects: found in an ELF file, and taken out of its table."""

from __future__ import annotations

import struct

import pytest

from imagemill.assemble.frozen import unfreeze
from imagemill.errors import AssembleError

BASE, NAMES, TABLE = 0x400000, 0x100, 0x180


def row(name: int, code: int = 0) -> bytes:
    """A row of the table: a name's address, no bytes, no size, and the function that makes the code."""
    return struct.pack("<QQQQ", name, code, 0, 0x1234)


def program(names: bytes, table: bytes) -> bytes:
    """An ELF file of 64 bits with one segment, which is the whole file."""
    header = b"\x7fELF\x02\x01\x01".ljust(32, b"\0") + struct.pack("<QQIHHH", 64, 0, 0, 64, 56, 1).ljust(32, b"\0")
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, 0x400, 0x400, 0x1000)
    return ((header + segment).ljust(NAMES, b"\0") + names).ljust(TABLE, b"\0") + table.ljust(0x280, b"\0")


SITE = BASE + NAMES + 2  # it may be the end of another text, as linkers share them


def test_a_name_begins_one_letter_later() -> None:
    before = program(b"x_site\0", row(BASE) + row(SITE - 0) + row(BASE + 9))
    after = unfreeze(before, "site")
    assert [n for n in range(len(before)) if before[n] != after[n]] == [TABLE + 32]
    assert struct.unpack_from("<Q", after, TABLE + 32) == (SITE + 1,)


@pytest.mark.parametrize(
    "given",
    [b"no ELF site\0", program(b"x_sight\0", row(SITE)), program(b"x_site\0", row(SITE, 7)),
     program(b"x_site\0", row(SITE) * 2)],
    ids=["no ELF", "no name", "marshalled", "twice"],
)  # fmt: skip
def test_another_form_is_an_error(given: bytes) -> None:
    with pytest.raises(AssembleError, match="rows for a frozen module 'site'"):
        unfreeze(given, "site")
