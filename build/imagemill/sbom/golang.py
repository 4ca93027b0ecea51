"""What a Go program says that it was built from: its version of Go, and its modules.

Source of the layout: debug/buildinfo of Go's standard library (since Go 1.18, strings inline).
"""

from __future__ import annotations

from collections.abc import Iterator

from imagemill.sbom.inventory import Component

_MAGIC = b"\xff Go buildinf:"
_HEADER = 32
_INLINE = 2  # a flag: version and modules follow as strings, their lengths before them
_SENTINEL = 16  # bytes around the table of modules


def modules(program: bytes, key: str) -> Iterator[Component]:
    """The main module, Go's standard library, and the modules that were built in; nothing for other programs."""
    begin = program.find(_MAGIC)
    if begin < 0 or len(program) < begin + _HEADER or not program[begin + 15] & _INLINE:
        return
    version, place = _string(program, begin + _HEADER)
    table, _ = _string(program, place)
    yield Component("golang", "std", version.removeprefix("go").partition(" ")[0])
    if len(table) <= 2 * _SENTINEL:
        return
    for line in table[_SENTINEL:-_SENTINEL].splitlines():
        kind, *words = line.split("\t")
        if kind in ("mod", "dep") and len(words) >= 2:
            namespace, _, name = words[0].rpartition("/")
            number = words[1] if words[1] != "(devel)" else "devel"
            owns = frozenset({key}) if kind == "mod" else frozenset[str]()
            yield Component("golang", name, number, namespace, owns=owns)


def _string(data: bytes, place: int) -> tuple[str, int]:
    """A string after its length as a varint, and where it ends; an empty one where the data ends before."""
    length = shift = 0
    while place < len(data) and shift < 35:
        byte = data[place]
        place += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            end = place + length
            return (data[place:end].decode("latin-1"), end) if end <= len(data) else ("", place)
    return "", place
