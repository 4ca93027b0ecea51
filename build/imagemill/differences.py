"""Where two entries of file trees differ, and where two JSON documents do: told as what, before, and after."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from imagemill.filetree import Entry

Told = tuple[str, str, str]
"""What differs, and its value in the one and in the other."""

Content = Callable[[Entry], bytes]
"""Reads the content of a file."""

CONTENT = "content at byte"
"""How the difference of two files of one size begins."""

_CHUNK = 1 << 20


def entries(one: Entry, other: Entry, read: Content = Entry.read, read_other: Content | None = None) -> Iterator[Told]:
    """How two entries differ. Contents are read (by `read_other` on the other side) where they can be the same."""
    for what, before, after in (
        ("type", one.kind, other.kind),
        ("mode", f"{one.mode:04o}", f"{other.mode:04o}"),
        ("owner", f"{one.uid}:{one.gid}", f"{other.uid}:{other.gid}"),
        ("time", str(one.mtime), str(other.mtime)),
        ("link target", one.target, other.target),
        ("size", str(one.size), str(other.size)),
        ("extended attributes", str(dict(one.xattrs)), str(dict(other.xattrs))),
    ):
        if before != after:
            yield what, before, after
    if one.kind == other.kind == "file":
        left, right = read(one), (read_other or read)(other)
        byte = first_difference(left, right)
        if byte is not None and byte < min(len(left), len(right)):
            yield f"{CONTENT} {byte}", repr(left[byte : byte + 16]), repr(right[byte : byte + 16])


def first_difference(one: bytes | mmap.mmap, other: bytes | mmap.mmap) -> int | None:
    """The offset of the first byte that differs (the end of the shorter one counts), None when all are the same."""
    for start in range(0, max(len(one), len(other)), _CHUNK):
        left, right = one[start : start + _CHUNK], other[start : start + _CHUNK]
        if left != right:
            size = min(len(left), len(right))
            return start + next((n for n in range(size) if left[n] != right[n]), size)
    return None


def documents(one: Any, other: Any, path: str) -> Iterator[Told]:
    """Where two JSON documents differ, by JSON path."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            place = f"{path}.{key}" if key.isidentifier() else f"{path}[{key!r}]"
            yield from documents(one.get(key), other.get(key), place)
    elif isinstance(one, list) and isinstance(other, list):
        for number, (left, right) in enumerate(zip_longest(one, other)):
            yield from documents(left, right, f"{path}[{number}]")
    elif one != other:
        yield path, repr(one), repr(other)
