"""The layers of images as plain tars on disk, each decompressed and walked once.

A layer is decompressed into a scratch directory and under its digest; from then on it is mapped, its headers
are walked, and the bytes of files are read where they lie. Images that share layers share that work.
"""

from __future__ import annotations

import gc
import hashlib
import mmap
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from imagemill.errors import LayoutError
from imagemill.filetree import Entry, Slice
from imagemill.layerfacts import Kept, LayerFacts, examine
from imagemill.merged import MergedTree, merge

MAX_LAYER = 10 << 30
"""Bytes of a decompressed layer beyond which it is refused: AWS Lambda takes images of at most 10 GB."""

_INNOCENT = 1 << 29  # bytes that a layer may have, however little they were
_GROWTH = 100  # beyond that: times that it may grow; files grow 3 times, logs 20, and zeros in gzip 1000 times
_HOLE = 1 << 16
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ZEROS = bytes(1 << 22)


class Layers:
    """The layers met so far, decompressed below `scratch` and walked, each once; close it, or use `with`.

    `scratch` may be kept: a layer found there under its digest is not decompressed again. With a folder for `facts`,
    one whose facts are there is not even opened until a file in it is read, and no tar stays once its facts are known.
    """

    def __init__(self, scratch: Path, facts: Path | None = None) -> None:
        self._maps = _Maps(scratch)
        self._kept = Kept(facts) if facts is not None else None
        self._facts: dict[str, LayerFacts] = {}
        self._trees: dict[tuple[str, ...], MergedTree] = {}

    def __enter__(self) -> Layers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the mapped files; trees can no longer be read."""
        self._maps.close()

    def tree(self, blobs: Sequence[tuple[str, Path]]) -> MergedTree:
        """The merged tree of these layers, lowest first, each given as its digest and the file that has it.

        Raises LayoutError for bytes that are not the digest's, and for layers that cannot be read.
        """
        key = tuple(digest for digest, _ in blobs)
        if key not in self._trees:
            facts = self.facts(blobs)
            with _uncollected():
                self._trees[key] = merge([layer.entries for layer in facts], self._maps)
        return self._trees[key]

    def facts(self, blobs: Sequence[tuple[str, Path]]) -> list[LayerFacts]:
        """What is known of each of these layers, given as for `tree`. Raises as that does."""
        new = {digest: self._maps.know(digest, blob) for digest, blob in blobs if digest not in self._facts}
        for digest, path in list(new.items()):
            with _uncollected():
                found = self._kept.read(digest, path) if self._kept else None
            if found is not None:
                self._facts[digest] = found
                del new[digest]
        diff_ids = self._diff_ids(list(new.values())) if new else []
        for (digest, path), diff_id in zip(new.items(), diff_ids, strict=True):
            self._facts[digest] = examine(self._maps[path], path, diff_id)
            if self._kept:
                self._kept.write(digest, self._facts[digest], partial(_content, self._maps[path]))
                # what is kept has the files that checks read: the tar need not stay
                self._facts[digest] = self._kept.read(digest, path) or self._facts[digest]
                self._maps.drop(path)
        return [self._facts[digest] for digest, _ in blobs]

    def _diff_ids(self, paths: Sequence[Path]) -> list[str]:
        from concurrent.futures import ThreadPoolExecutor  # for layers that nobody has looked at yet

        with ThreadPoolExecutor(max_workers=2) as pool:  # decompression and hashing let go of the interpreter
            return list(pool.map(lambda path: _sha256(self._maps[path]), paths))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: of a hundred thousand new objects none is garbage, and looking takes as long."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Maps(Mapping[Path, "mmap.mmap | bytes"]):
    """Plain tars by their path in the scratch directory, each made and mapped when it is first asked for."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._blobs: dict[Path, tuple[str, Path]] = {}
        self._open: dict[Path, mmap.mmap | bytes] = {}

    def know(self, digest: str, blob: Path) -> Path:
        """Where the tar of a layer is, or will be."""
        path = _place(digest, self._scratch)
        self._blobs[path] = digest, blob
        return path

    def __getitem__(self, path: Path) -> mmap.mmap | bytes:
        if path not in self._open:
            digest, blob = self._blobs[path]
            self._open[path] = _map(spool(blob, digest, self._scratch))
        return self._open[path]

    def __contains__(self, path: object) -> bool:
        return path in self._blobs

    def __iter__(self) -> Iterator[Path]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)

    def drop(self, path: Path) -> None:
        """Remove a tar; it is made again when it is asked for."""
        data = self._open.pop(path)
        if isinstance(data, mmap.mmap):
            data.close()
        path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of what is mapped."""
        for data in self._open.values():
            if isinstance(data, mmap.mmap):
                data.close()
        self._open.clear()
        self._blobs.clear()


def _content(data: mmap.mmap | bytes, entry: Entry) -> bytes:
    content = entry.content
    return data[content.offset : content.offset + content.size] if isinstance(content, Slice) else content


def _sha256(data: mmap.mmap | bytes) -> str:
    """The digest of a mapped file."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _place(digest: str, scratch: Path) -> Path:
    if not _DIGEST.fullmatch(digest):  # it becomes the name of a file
        raise LayoutError(f"{digest[:100]!r} is no SHA-256 digest", "the image is damaged")
    return scratch / f"{digest.replace(':', '-')}.tar"


def spool(blob: Path, digest: str, scratch: Path) -> Path:
    """The plain tar of a layer, below `scratch` and named after its digest, which is verified on the way."""
    path = _place(digest, scratch)
    if path.exists():
        return path
    scratch.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    try:
        with blob.open("rb") as source, partial.open("wb", buffering=0) as sink:
            found = decompress(source, sink, blob)
        if found != digest:
            raise LayoutError(f"{blob}: holds {found}, not {digest}", "the layer is damaged: build the image again")
        partial.rename(path)
    except FileNotFoundError:
        raise LayoutError(f"layer {digest} is missing: {blob}", "build the image again") from None
    finally:
        partial.unlink(missing_ok=True)
    return path


class _Hashing:
    """A file that is hashed as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.count = 0

    def read(self, size: int) -> bytes:
        """Some more bytes."""
        data = self._file.read(size)
        self._hash.update(data)
        self.count += len(data)
        return data

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of what was read so far."""
        return f"sha256:{self._hash.hexdigest()}"


def decompress(source: BinaryIO, sink: BinaryIO, name: Path) -> str:
    """Copy a layer or an archive from `source` to `sink` as plain tar; its digest as it was in `source`.

    Zeros are not written but left out, so that nothing large on disk comes from little. Raises LayoutError for more
    than MAX_LAYER, and for what grows as no files do.
    """
    from imagemill.assemble.compression import plain

    hashing = _Hashing(source)
    written = 0
    for piece in plain(hashing, name):
        written += len(piece)
        if written > MAX_LAYER:
            raise LayoutError(f"{name}: larger than {MAX_LAYER >> 30} GB", "make the layer smaller")
        if written > _INNOCENT and written > _GROWTH * hashing.count:
            raise LayoutError(
                f"{name}: {hashing.count} bytes have become {written} already",
                "a layer that is nearly all zeros: leave sparse files out of it",
            )
        if len(piece) > _HOLE and piece == _ZEROS[: len(piece)]:
            sink.seek(len(piece), os.SEEK_CUR)
        else:
            sink.write(piece)
    sink.truncate(written)
    return hashing.digest


def _map(path: Path) -> mmap.mmap | bytes:
    with path.open("rb") as handle:
        # an empty file cannot be mapped
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
