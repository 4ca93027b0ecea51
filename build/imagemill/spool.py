"""The layers of images as plain tars on disk, each decompressed and walked once.

A layer is decompressed into a scratch directory and under its digest; from then on it is mapped, its headers
are walked, and the bytes of files are read where they lie. Images that share layers share that work.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from imagemill.assemble.compression import plain
from imagemill.errors import LayoutError
from imagemill.merged import MergedTree, Walked, merge
from imagemill.tarwalk import walk

MAX_LAYER = 10 << 30
"""Bytes of a decompressed layer beyond which it is refused: AWS Lambda takes images of at most 10 GB."""


class Layers:
    """The layers met so far, decompressed below `scratch` and walked, each once; close it, or use `with`.

    `scratch` may be kept: a layer found there under its digest is not decompressed again.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._walked: dict[str, Walked] = {}
        self._trees: dict[tuple[str, ...], MergedTree] = {}
        self._maps: dict[Path, mmap.mmap | bytes] = {}

    def __enter__(self) -> Layers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the mapped files; trees can no longer be read."""
        for data in self._maps.values():
            if isinstance(data, mmap.mmap):
                data.close()
        self._maps.clear()

    def tree(self, blobs: Sequence[tuple[str, Path]]) -> MergedTree:
        """The merged tree of these layers, lowest first, each given as its digest and the file that has it.

        Raises LayoutError for bytes that are not the digest's, and for layers that cannot be read.
        """
        key = tuple(digest for digest, _ in blobs)
        if key not in self._trees:
            new = {digest: path for digest, path in blobs if digest not in self._walked}
            with ThreadPoolExecutor(max_workers=2) as pool:  # decompression lets go of the interpreter
                spools = list(pool.map(lambda blob: spool(blob[1], blob[0], self._scratch), new.items()))
            for digest, path in zip(new, spools, strict=True):
                self._maps[path] = _map(path)
                self._walked[digest] = tuple(walk(self._maps[path], path))
            self._trees[key] = merge([self._walked[digest] for digest in key], self._maps)
        return self._trees[key]


def spool(blob: Path, digest: str, scratch: Path) -> Path:
    """The plain tar of a layer, below `scratch` and named after its digest, which is verified on the way."""
    path = scratch / f"{digest.replace(':', '-')}.tar"
    if path.exists():
        return path
    scratch.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    try:
        with blob.open("rb") as source, partial.open("wb", buffering=0) as sink:
            found = _decompress(source, sink, blob)
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

    def read(self, size: int) -> bytes:
        """Some more bytes."""
        data = self._file.read(size)
        self._hash.update(data)
        return data

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of what was read so far."""
        return f"sha256:{self._hash.hexdigest()}"


def _decompress(source: BinaryIO, sink: BinaryIO, blob: Path) -> str:
    """Copy a layer from `source` to `sink` as plain tar; its digest as it was in `source`."""
    hashing = _Hashing(source)
    written = 0
    for piece in plain(hashing, blob):
        written += len(piece)
        if written > MAX_LAYER:
            raise LayoutError(f"{blob}: larger than {MAX_LAYER >> 30} GB", "make the layer smaller")
        sink.write(piece)
    return hashing.digest


def _map(path: Path) -> mmap.mmap | bytes:
    with path.open("rb") as handle:
        # an empty file cannot be mapped
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
