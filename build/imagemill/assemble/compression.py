"""How layers are compressed, and read again: gzip while developing, zstd for what is published.

Both are deterministic over machines and numbers of cores:

- gzip is ISA-L at level 2: measured, its bytes are the same on every x86 processor since SSE 4.2, while those of
  level 3 depend on AVX2 and AVX-512. It makes 12 % more than zlib -6, 13 times as fast.
- zstd always has worker threads. libzstd cuts its input into jobs of one size, whatever the number of workers and
  the pieces that it is handed, so one worker and eight write the same bytes; only no worker at all writes others.
  The window is 8 MiB, the most that RFC 8878 (3.1.1.1.2) tells every reader to have memory for.

A layer's diff id is that of its tar, so it is the same in both.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import zstandard
from isal import isal_zlib

from imagemill.errors import ImagemillError, LayoutError
from imagemill.oci import LAYER_GZIP, LAYER_ZSTD

_GZIP_LEVEL = 2
_ZSTD_LEVEL = 9
_MAX_LEVEL = 19  # beyond it lie windows that not every reader has memory for
_WINDOW_LOG = 23
_JOB_SIZE = 16 << 20  # libzstd's own choice, 32 MB for this window, asks 80 MB more and makes 0.1 % less
_MAX_WORKERS = 4  # measured: 170 MB for two of them, some 45 MB for each one more
_GZIP_WBITS = 16 + 15  # zlib's way to ask for a gzip header; isal leaves its time and name empty
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_ERROR: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub has an instance
_CHUNK = 1 << 18
_ROOM = 1 << 22  # bytes that a decompressor may make at once
_SIP = 1 << 12  # zstandard knows no such bound, so it gets little at once; its worst case is 128 MiB, usual are 16 KiB
_REMEDY = "the layer is damaged: build the image again"


@dataclass(frozen=True)
class Compression:
    """A way to compress: `gzip`, or `zstd` at a level."""

    kind: str
    level: int

    def __str__(self) -> str:
        return self.kind if self.kind == "gzip" else f"{self.kind}:{self.level}"

    @property
    def media_type(self) -> str:
        """The media type of layers compressed so."""
        return LAYER_ZSTD if self.kind == "zstd" else LAYER_GZIP


GZIP = Compression("gzip", _GZIP_LEVEL)


def parse(text: str) -> Compression:
    """The way that `gzip`, `zstd` or `zstd:<level>` names. ImagemillError for anything else."""
    kind, _, level = text.partition(":")
    if text == "gzip":
        return GZIP
    if text == "zstd":
        return Compression(text, _ZSTD_LEVEL)
    if kind == "zstd" and level.isdecimal() and 1 <= int(level) <= _MAX_LEVEL:
        return Compression(kind, int(level))
    raise ImagemillError(f"unknown compression {text!r}", f"use gzip, zstd, or zstd:1 to zstd:{_MAX_LEVEL}")


class Source(Protocol):
    """What a layer is read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none at the end."""


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class Writer:
    """Compresses into a file what it is given, and hashes the result on the way.

    gzip's bytes depend on the pieces: give it pieces of one size.
    """

    def __init__(self, file: BinaryIO, compression: Compression = GZIP) -> None:
        self._file = file
        self._stream = _compressor(compression)
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of what was written so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def add(self, piece: bytes) -> None:
        """Compress one more piece."""
        self._write(self._stream.compress(piece))

    def finish(self) -> None:
        """End the stream."""
        self._write(self._stream.flush())

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)
        self._file.write(data)


def _compressor(compression: Compression) -> _Compressor:
    if compression.kind == "gzip":
        stream: _Compressor = isal_zlib.compressobj(compression.level, wbits=_GZIP_WBITS)
        return stream
    workers = min(os.cpu_count() or 1, _MAX_WORKERS)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        compression.level, window_log=_WINDOW_LOG, job_size=_JOB_SIZE, threads=workers, write_content_size=0
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compressobj()


def plain(source: Source, name: object) -> Iterator[bytes]:
    """The tar of a layer, in pieces.

    gzip and zstd are known by how they begin; anything else is taken for a tar. Members of gzip and frames of zstd
    that follow each other are one stream (RFC 1952, 2.2; RFC 8878, 3.1). `name` is what a LayoutError calls the
    layer when its data is damaged or ends early.
    """
    begin = source.read(_CHUNK)
    if begin.startswith(_GZIP_MAGIC):
        return _decompressed(_Gunzip, begin, source, name)
    if begin.startswith(_ZSTD_MAGIC):
        return _decompressed(_Unzstd, begin, source, name)
    return _read(begin, source)


def _read(begin: bytes, source: Source) -> Iterator[bytes]:
    piece = begin
    while piece:
        yield piece
        piece = source.read(_CHUNK)


class _Decompressor(Protocol):
    """One gzip member or one zstd frame."""

    kind: str

    def feed(self, data: memoryview) -> tuple[bytes, memoryview]:
        """What the beginning of `data` means, and what is left of `data`."""

    @property
    def ended(self) -> bool:
        """Whether the member or frame is complete."""


class _Gunzip:
    kind = "gzip"

    def __init__(self) -> None:
        self._stream = isal_zlib.decompressobj(_GZIP_WBITS)

    def feed(self, data: memoryview) -> tuple[bytes, memoryview]:
        found = self._stream.decompress(data, _ROOM)
        return found, memoryview(self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail)

    @property
    def ended(self) -> bool:
        return bool(self._stream.eof)


class _Unzstd:
    kind = "zstd"

    def __init__(self) -> None:
        self._stream = zstandard.ZstdDecompressor().decompressobj()

    def feed(self, data: memoryview) -> tuple[bytes, memoryview]:
        found = self._stream.decompress(data[:_SIP])
        unused, rest = self._stream.unused_data, data[_SIP:]
        return found, memoryview(unused + rest.tobytes()) if unused else rest

    @property
    def ended(self) -> bool:
        return self._stream.eof


def _decompressed(make: Callable[[], _Decompressor], begin: bytes, source: Source, name: object) -> Iterator[bytes]:
    stream = make()
    for piece in _read(begin, source):
        rest = memoryview(piece)
        while rest:
            if stream.ended:
                stream = make()
            try:
                found, rest = stream.feed(rest)
            except (_GZIP_ERROR, zstandard.ZstdError) as error:
                raise LayoutError(f"{name}: damaged {stream.kind} data: {error}", _REMEDY) from None
            yield found
    if not stream.ended:
        raise LayoutError(f"{name}: the {stream.kind} data ends early", _REMEDY)
