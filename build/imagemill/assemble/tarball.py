"""Layers in canonical form: one tree has one tar and one gzip stream, whoever writes them, whenever.

Entries are sorted by directory, owners are numbers, times are clamped, and pax headers appear only where ustar has
no room. How the tar is compressed is in `compression`.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from imagemill.assemble.compression import Writer
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Slice, Tree
from imagemill.oci import Blob

_CHUNK = 1 << 20
_AHEAD = 8  # pieces that wait for the compressor, which has a thread of its own
_MAX_OPEN = 128  # a layer points into hundreds of packages, a process may often open no more than 1024 files

_TYPES = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "char": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}


def write(tree: Tree, out: Path, *, epoch: int) -> Blob:
    """Write `tree` as a compressed layer. Times newer than `epoch` (seconds since 1970) become `epoch`.

    Directories that entries need and the tree does not have are made, 0755 and root's. Of a set of hard links
    the first by path holds the content. Raises AssembleError for a hard link to what is not there.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    plain = hashlib.sha256()
    with out.open("wb") as file, ThreadPoolExecutor(1) as compressor:
        packed = Writer(file)
        waiting: deque[Future[None]] = deque()
        for piece in pack(tree, epoch):
            waiting.append(compressor.submit(packed.add, piece))
            plain.update(piece)
            if len(waiting) > _AHEAD:
                waiting.popleft().result()
        for one in waiting:
            one.result()
        packed.finish()
    return Blob(packed.digest, f"sha256:{plain.hexdigest()}", packed.size, out)


def pack(tree: Tree, epoch: int) -> Iterator[bytes]:
    """The bytes of the tar, in pieces of exactly 1 MiB and a last one.

    Exactly, since the compressor's bytes depend on how they are handed to it: content in memory and the same content
    in a file must come in the same pieces.
    """
    pending: list[bytes] = []
    waiting = size = 0
    for block in _blocks(_with_leading_links(_with_parents(tree, epoch)), epoch):
        pending.append(block)
        waiting += len(block)
        size += len(block)
        if waiting >= _CHUNK:
            joined = b"".join(pending)
            whole = waiting - waiting % _CHUNK
            for start in range(0, whole, _CHUNK):
                yield joined[start : start + _CHUNK]
            pending, waiting = [joined[whole:]], waiting - whole
    size += 2 * tarfile.BLOCKSIZE
    pending.append(bytes(2 * tarfile.BLOCKSIZE + -size % tarfile.RECORDSIZE))
    yield b"".join(pending)


def _blocks(tree: Tree, epoch: int) -> Iterator[bytes]:
    contents = _Contents()
    try:
        for path in sorted(tree, key=_order):
            entry = tree[path]
            yield _header(path, entry, epoch)
            if entry.kind == "file" and entry.size:
                yield from contents.of(entry)
                yield bytes(-entry.size % tarfile.BLOCKSIZE)
    finally:
        contents.close()


def _order(path: str) -> list[str]:
    """Sorts by directory: what is in `a` comes right after it, before `a.b`."""
    return path.split("/")


def _with_parents(tree: Tree, epoch: int) -> Tree:
    whole = dict(tree)
    for path in tree:
        parent = path.rpartition("/")[0]
        while parent and parent not in whole:
            whole[parent] = Entry("dir", 0o755, mtime=epoch)
            parent = parent.rpartition("/")[0]
    return whole


def _with_leading_links(tree: Tree) -> Tree:
    """The same tree, where no hard link comes before the path that holds its content."""
    sets: dict[str, list[str]] = {}
    for path, entry in tree.items():
        if entry.kind == "hardlink":
            sets.setdefault(entry.target, []).append(path)
    whole = tree
    for holder, links in sets.items():
        content = tree.get(holder)
        if content is None or content.kind == "hardlink":
            raise AssembleError(f"hard link /{links[0]} leads to /{holder}, which is no file", "keep both or drop both")
        first = min((holder, *links), key=_order)
        if first != holder:
            whole = dict(whole) if whole is tree else whole
            whole[first] = content
            for path in (holder, *links):
                if path != first:
                    whole[path] = replace(content, kind="hardlink", target=first, content=b"")
    return whole


def _header(path: str, entry: Entry, epoch: int) -> bytes:
    info = tarfile.TarInfo(path + "/" if entry.kind == "dir" else path)
    info.type = _TYPES[entry.kind]
    info.mode, info.uid, info.gid = entry.mode, entry.uid, entry.gid
    info.mtime = min(entry.mtime, epoch)
    info.size = entry.size if entry.kind == "file" else 0
    info.linkname = entry.target
    info.pax_headers = {
        f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape") for name, value in sorted(entry.xattrs.items())
    }
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


class _Contents:
    """Reads contents; keeps the files open that it read last."""

    def __init__(self) -> None:
        self._open: dict[Path, BinaryIO] = {}

    def of(self, entry: Entry) -> Iterator[bytes]:
        """The content of a file, in pieces."""
        where = entry.content
        if not isinstance(where, Slice):
            yield where
            return
        file = self._file(where.file)
        file.seek(where.offset)
        left = where.size
        while left:
            piece = file.read(min(left, _CHUNK))
            if not piece:
                raise AssembleError(f"{where.file} ends early", "remove it and build again")
            left -= len(piece)
            yield piece

    def close(self) -> None:
        """Close all files."""
        for file in self._open.values():
            file.close()
        self._open.clear()

    def _file(self, path: Path) -> BinaryIO:
        if path not in self._open:
            if len(self._open) >= _MAX_OPEN:
                self._open.pop(next(iter(self._open))).close()
            self._open[path] = path.open("rb", buffering=0)
        return self._open[path]
