from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from assemble_inputs import file
from hypothesis import given
from hypothesis import strategies as st

from imagemill.assemble.strip import strip, stripped
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Slice
from imagemill.platforms import native

ALLOC, INFO_LINK = 2, 0x40
PROGBITS, SYMTAB, STRTAB, RELA, NOTE, NOBITS = 1, 2, 3, 4, 7, 8

EXIT_42 = {  # exit(42), in each processor's own words
    "amd64": bytes.fromhex("b83c000000bf2a0000000f05"),
    "arm64": bytes.fromhex("a80b80d2400580d2010000d4"),
}


@dataclass
class Part:
    """A section; `link` and `info` are names of others."""

    name: str
    kind: int = PROGBITS
    flags: int = 0
    content: bytes = b""
    link: str = ""
    info: str = ""
    align: int = 1


def elf(parts: list[Part], machine: int = 62, kind: int = 2) -> bytes:
    """A program of these sections: the allocated ones are one segment, entered where the first of them begins."""
    parts = [Part("", kind=0), *parts, Part(".shstrtab", STRTAB)]
    names = b""
    places = []
    for part in parts:
        places.append(len(names))
        names += part.name.encode() + b"\0"
    parts[-1].content = names
    number = {part.name: n for n, part in enumerate(parts)}
    body = bytearray(64 + 56)
    rows, covered = b"", len(body)
    for part, name in zip(parts, places, strict=True):
        body += bytes(-len(body) % part.align)
        offset = len(body) if part.kind else 0
        if part.kind != NOBITS:
            body += part.content
        if part.flags & ALLOC:
            covered = len(body)
        links = number[part.link], number[part.info]
        size = len(part.content)
        rows += struct.pack("<IIQQQQIIQQ", name, part.kind, part.flags, 0, offset, size, *links, part.align, 0)
    head = struct.pack("<4s5B7xHHI", b"\x7fELF", 2, 1, 1, 0, 0, kind, machine, 1)
    head += struct.pack("<QQQIHHHHHH", 0x400078, 64, len(body), 0, 64, 56, 1, 64, len(parts), len(parts) - 1)
    body[:64] = head
    body[64:120] = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, covered, covered, 0x1000)
    return bytes(body) + rows


def sections(data: bytes) -> dict[str, Part]:
    """The named sections of a program, as it was written."""
    table, count, names = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HH", data, 60)
    rows = [struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * n) for n in range(count)]
    texts = data[rows[names][4] :][: rows[names][5]]
    named = [texts[row[0] :].partition(b"\0")[0].decode() for row in rows]
    found = {}
    for name, (_, kind, flags, _, offset, size, link, info, align, _) in zip(named, rows, strict=True):
        content = bytes(size) if kind == NOBITS else data[offset : offset + size]
        assert len(content) == size
        assert kind in (0, NOBITS) or offset % align == 0
        found[name] = Part(name, kind, flags, content, named[link], named[info] if info else "", align)
    return found


def leave_out(data: bytes) -> bytes:
    head, kept, rest = stripped(lambda offset, size: data[offset : offset + size], len(data))
    return head + data[len(head) : kept] + rest


PROGRAM = [
    Part(".text", flags=ALLOC | 4, content=b"code"),
    Part(".dynstr", STRTAB, ALLOC, b"\0name\0"),
    Part(".bss", NOBITS, ALLOC | 1, bytes(64)),
    Part(".comment", content=b"a compiler\0"),
    Part(".note.tool", NOTE, content=b"a note..", align=4),
    Part(".debug_info", content=b"where and what" * 40),
    Part(".rela.debug_info", RELA, INFO_LINK, bytes(24), link=".symtab", info=".debug_info"),
    Part(".symtab", SYMTAB, content=bytes(48), link=".strtab", align=8),
    Part(".strtab", STRTAB, content=b"\0names of symbols\0"),
]


def test_symbols_and_debugging_go_and_the_rest_stays() -> None:
    data = elf(PROGRAM)
    out = leave_out(data)
    assert list(sections(out)) == ["", ".text", ".dynstr", ".bss", ".comment", ".note.tool", ".shstrtab"]
    before = sections(data)
    for name, part in sections(out).items():
        assert (part.kind, part.flags, part.content) == (before[name].kind, before[name].flags, before[name].content)
    assert len(out) < len(data)
    assert leave_out(out) == out


@pytest.mark.skipif(native().arch not in EXIT_42, reason="no machine code for this processor")
def test_a_stripped_program_runs(tmp_path: Path) -> None:
    data = elf([Part(".text", flags=ALLOC | 4, content=EXIT_42[native().arch]), *PROGRAM[3:]], native().elf_machine)
    program = tmp_path / "program"
    program.write_bytes(leave_out(data))
    program.chmod(0o755)
    assert subprocess.run([program], check=False).returncode == 42


def test_numbers_of_allocated_sections_stay() -> None:
    """What goes before one of them leaves an empty row: symbols tell their sections by number."""
    out = leave_out(elf([Part(".debug_line", content=b"lines"), *PROGRAM[:2]]))
    count, names = struct.unpack_from("<HH", out, 60)
    assert (count, names) == (5, 4)
    assert struct.unpack_from("<IIQQQQIIQQ", out, struct.unpack_from("<Q", out, 40)[0] + 64) == (0,) * 10


def test_names_that_others_need_stay() -> None:
    out = leave_out(elf([*PROGRAM[:2], Part(".tool", link=".strtab", content=b"x"), *PROGRAM[-2:]]))
    assert sections(out)[".tool"].link == ".strtab"
    assert ".symtab" not in sections(out)


@pytest.mark.parametrize(
    "data", [elf(PROGRAM[:5]), elf([])[:40] + bytes(8) + elf([])[48:]], ids=["stripped", "no table"]
)
def test_what_has_nothing_to_lose_is_left_alone(data: bytes) -> None:
    assert leave_out(data) == data


NAMES = [".text", ".data", ".note.a", ".comment", ".debug_info", ".debug_str", ".zdebug_line", ".symtab", ".strtab"]
PARTS = st.lists(
    st.builds(
        Part,
        name=st.sampled_from(NAMES),
        kind=st.sampled_from([PROGBITS, NOTE, SYMTAB, STRTAB, NOBITS, RELA]),
        flags=st.sampled_from([0, ALLOC]),
        content=st.binary(max_size=40),
        align=st.sampled_from([0, 1, 4, 8, 64]).map(lambda align: align or 1),
    ),
    max_size=9,
    unique_by=lambda part: part.name,
)


@given(PARTS)
def test_whatever_the_sections(parts: list[Part]) -> None:
    data = elf(parts)
    out = leave_out(data)
    before, after = sections(data), sections(out)
    for name, part in before.items():
        if part.flags & ALLOC:
            assert after[name].content == part.content
    for name, part in after.items():
        assert part.kind == 0 or (part.kind, part.content) == (before[name].kind, before[name].content)
    covered = struct.unpack_from("<Q", data, 64 + 32)[0]
    assert out[64:covered] == data[64:covered]
    assert leave_out(out) == out


@given(st.binary(max_size=300), st.integers(0, 700))
def test_damaged_files_are_refused_or_left(noise: bytes, place: int) -> None:
    """Nothing but ValueError, whatever the bytes."""
    data = bytearray(elf(PROGRAM))
    data[place : place + len(noise)] = noise
    try:
        out = leave_out(bytes(data))
    except ValueError:
        return
    assert len(out) <= len(data) + 4096 * 16


def test_the_manifests_key(tmp_path: Path) -> None:
    program = elf(PROGRAM)
    held = tmp_path / "held"
    held.write_bytes(b"before" + program + b"behind")
    tree = {
        "opt/a/one.so": Entry("file", 0o755, mtime=7, content=Slice(held, 6, len(program))),
        "opt/a/two.so": Entry("file", content=program),
        "opt/a/link.so": Entry("symlink", target="one.so"),
        "opt/three": Entry("file", content=program),
    }
    made = strip(tree, ["/opt/*.so"], tmp_path / "scratch")
    assert made["opt/a/one.so"].read() == made["opt/a/two.so"].read() == leave_out(program)
    assert (made["opt/a/one.so"].mode, made["opt/a/one.so"].mtime) == (0o755, 7)
    assert (made["opt/a/link.so"], made["opt/three"]) == (tree["opt/a/link.so"], tree["opt/three"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#!/bin/sh\n", "/opt/tool cannot be stripped: it is no whole ELF file"),
        (b"#!/bin/sh\n" * 9, "/opt/tool cannot be stripped: it is no ELF file"),
        (elf(PROGRAM)[:300], "/opt/tool cannot be stripped: it is no whole ELF file"),
        (elf(PROGRAM, kind=1), "/opt/tool cannot be stripped: it is no program or library of 64 bits"),
        (b"\x7fELF\x01\x01" + bytes(90), "/opt/tool cannot be stripped: it is no program or library of 64 bits"),
    ],
    ids=["short", "script", "cut", "object", "32 bit"],
)
def test_what_cannot_be_stripped_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(AssembleError, match=message) as caught:
        strip({"opt/tool": file(content)}, ["/opt/tool"], tmp_path)
    assert "'strip'" in str(caught.value.remedy)


def test_a_glob_that_names_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssembleError, match="'strip' names /opt/gone, and no file of the layer is called so"):
        strip({"opt/tool": file(elf(PROGRAM))}, ["/opt/gone"], tmp_path)
