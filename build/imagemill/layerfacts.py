"""What there is to know of a layer before anything is asked: its entries, its programs, its secrets.

Found once, in one pass over the layer, and kept under the layer's digest: what a layer holds never changes. With
them is kept what the system's own small files hold; the bytes of all others stay in the layer.
"""

from __future__ import annotations

import hashlib
import marshal
import mmap
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from imagemill import elf, leaks
from imagemill.elf import Elf
from imagemill.errors import LayoutError
from imagemill.filetree import Entry, Slice
from imagemill.tarwalk import walk

FORMAT = 7
# patterns of strings in the program: PY_VERSION, the address in process.release.sourceUrl, JDK_VERSION of Java 8
_VERSIONS = {
    "node": rb"release/v(\d{1,3}\.\d{1,3}\.\d{1,3})/node-v",
    "libjava": rb"\b1\.(8\.0)_\d",
    "python": rb"\0([23]\.\d{1,3}\.\d{1,3})\0",
}
_INTERPRETER = r"(?:^|/)(?:bin/(node|python)[0-9.]*|lib/\w+/(libjava)\.so)$"
MOST_ENTRIES = 1_000_000
"""Entries of one layer beyond which it is refused: 20 times the largest build image."""

_SYSTEM = r"etc/|usr/lib/os-release$|usr/share/zoneinfo/[^r]|var/lib/dpkg/status$"
_LONGEST_CONTENT = 8 << 20  # bytes; the package database of the largest build image has 1.5 MB
_MOST_CONTENT = 32 << 20  # bytes of all of it

_LONGEST_PATH = 4096  # PATH_MAX of Linux: no engine can unpack a longer one
_MOST_IMPLIED = 64 << 20  # bytes of the names of directories that a layer has files in and does not list
_REMEDY = "nobody's image is like this: get it again from where it came"


class LayerFacts(Struct, frozen=True):
    """One layer. `programs`, `leaks` and `versions` are by where the content of a file begins in the tar.

    `diff_id` is the digest of the tar, and `size` its length; `versions` is what interpreters say that they are.
    """

    diff_id: str
    size: int
    entries: tuple[tuple[str, Entry], ...]
    programs: Mapping[int, Elf]
    leaks: Mapping[int, tuple[str, ...]]
    versions: Mapping[int, str]


def examine(data: mmap.mmap | bytes, file: Path, diff_id: str) -> LayerFacts:
    """Walk a layer: `data` is the content of `file`. Raises LayoutError for what is no tar, or a damaged one."""
    entries = tuple(bounded(data, file))
    programs: dict[int, Elf] = {}
    found: dict[int, tuple[str, ...]] = {}
    versions: dict[int, str] = {}
    for path, entry in entries:
        content = entry.content
        if entry.kind != "file" or not isinstance(content, Slice):
            continue
        begin, end = content.offset, content.offset + content.size
        head = data[begin : begin + elf.HEADER] if content.size >= elf.HEADER else b""
        program = elf.parse(head, _reader(data, begin, end)) if head[:4] == elf.MAGIC else None
        if program is not None:
            programs[begin] = program
            name = re.search(_INTERPRETER, path)
            said = re.compile(_VERSIONS[name[1] or name[2]]).search(data, begin, end) if name else None
            if said is not None:
                versions[begin] = said[1].decode()
        elif 0 < content.size <= leaks.LONGEST:
            kinds = leaks.search(data[begin:end])
            if kinds:
                found[begin] = kinds
    return LayerFacts(diff_id, len(data), entries, programs, found, versions)


def bounded(data: mmap.mmap | bytes, file: Path) -> Iterator[tuple[str, Entry]]:
    """The entries of a tar as `walk` has them, as long as there is an end to them.

    A few bytes of gzip can stand for millions of entries and of directories that these imply. Raises LayoutError
    for more than any image has.
    """
    folders, implied = {""}, 0
    for count, (path, entry) in enumerate(walk(data, file), 1):
        if count > MOST_ENTRIES:
            raise LayoutError(f"{file}: more than {MOST_ENTRIES} entries", _REMEDY)
        if len(path) > _LONGEST_PATH or len(entry.target) > _LONGEST_PATH:
            raise LayoutError(f"{file}: a path of {max(len(path), len(entry.target))} letters", _REMEDY)
        folder = path.rpartition("/")[0]
        while folder not in folders:
            folders.add(folder)
            implied += len(folder)
            folder = folder.rpartition("/")[0]
        if implied > _MOST_IMPLIED:
            raise LayoutError(f"{file}: directories without end, as {path[:200]!r}", _REMEDY)
        if entry.kind == "dir":
            folders.add(path)
        yield path, entry


def _reader(data: mmap.mmap | bytes, begin: int, end: int) -> elf.Read:
    def read(offset: int, size: int) -> bytes:
        return data[min(begin + offset, end) : min(begin + offset + size, end)]

    return read


def folder(cache: Path) -> Path:
    """Where facts are kept, below the factory's cache."""
    return cache / "layer-facts"


class Kept:
    """Facts on disk, one file a layer below `folder`, written in one step and verified when read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, digest: str, file: Path) -> LayerFacts | None:
        """The facts of the layer with this digest, its entries pointing into `file`; None when they are not there."""
        try:
            raw = self._path(digest).read_bytes()
        except OSError:
            return None
        body = memoryview(raw)[32:]
        if hashlib.sha256(body).digest() != raw[:32]:
            return None  # half a write of a machine that lost power: it is made anew
        diff_id, size, rows, programs, *found = marshal.loads(body)  # noqa: S302 - our own, its hash seen
        elves = {place: Elf(*one) for place, one in programs.items()}
        return LayerFacts(diff_id, size, tuple(_entries(rows, file)), elves, *found)

    def write(self, digest: str, facts: LayerFacts, read: Callable[[Entry], bytes]) -> None:
        """Keep the facts of a layer, and what `read` says is in the system's files."""
        rows: list[tuple[Any, ...]] = []
        content = 0
        for name, entry in facts.entries:
            rows.append(_row(name, entry))
            if _kept(name, entry, facts) and content + entry.size <= _MOST_CONTENT:
                content += entry.size
                rows[-1] = (*rows[-1], read(entry))
        programs = {place: astuple(one) for place, one in facts.programs.items()}
        body = marshal.dumps((facts.diff_id, facts.size, rows, programs, dict(facts.leaks), dict(facts.versions)))
        path = self._path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = path.with_suffix(f".{os.getpid()}")
        staging.write_bytes(hashlib.sha256(body).digest() + body)
        staging.replace(path)

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest.replace(':', '-')}.{_MAKER}"


def _kept(path: str, entry: Entry, facts: LayerFacts) -> bool:
    """Whether a file's content is kept: one of the system's that checks read, and that is known by nothing else."""
    content = entry.content
    return (
        entry.kind == "file"
        and isinstance(content, Slice)
        and content.size <= _LONGEST_CONTENT
        and re.match(_SYSTEM, path) is not None
        and not any(content.offset in known for known in (facts.programs, facts.leaks, facts.versions))
    )


def _row(path: str, entry: Entry) -> tuple[Any, ...]:
    content = entry.content
    place = (content.offset, content.size) if isinstance(content, Slice) else (0, 0)
    return (path, entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime, *place, entry.target, dict(entry.xattrs))


def _entries(rows: Iterable[Any], file: Path) -> Iterable[tuple[str, Entry]]:
    for path, kind, mode, uid, gid, mtime, offset, size, target, xattrs, *kept in rows:
        content = kept[0] if kept else Slice(file, offset, size) if kind == "file" else b""
        yield path, Entry(kind, mode, uid, gid, mtime, content, target, xattrs)


_MAKER = hashlib.sha256(
    repr([FORMAT, marshal.version, [(leak.id, leak.pattern) for leak in leaks.LEAKS]]).encode()
).hexdigest()[:12]
"""Part of each file's name: facts found by other rules are not found again."""
