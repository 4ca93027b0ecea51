"""Compressing a layer, as ratios to zlib's level 6 in one run: `python tests/bench/compression.py [LAYER...]`.

Without LAYER it takes each layer of python3.13's images for amd64 in `dist`, those of the build image first; a large
one is cut after 200 MB. Prints a line a compression: seconds, how many times as fast as zlib -6, and its size in
zlib -6's.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import ROOT, at_least, at_most, started

from imagemill.assemble.compression import Writer, parse, plain
from imagemill.oci import Layout

ROUNDS = 3
MOST = 200 << 20
SMALLEST = 10 << 20  # below, it is starting threads that is measured
BASE = "zlib -6"
BOUNDS = {"gzip": (8, 1.13), "zstd": (2, 0.76)}
"""How many times as fast as zlib -6 a compression is to be, and how large in its size."""
_PIECE = 1 << 20

Compress = Callable[[bytes], int]


def pieces(data: bytes) -> Iterator[bytes]:
    """The data as layers are handed to a compressor."""
    return (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))


def zlib6(data: bytes) -> int:
    """The size that zlib's level 6 makes, which is what `gzip` and Docker's builders of old do."""
    stream = zlib.compressobj(6, wbits=31)
    return sum(len(stream.compress(piece)) for piece in pieces(data)) + len(stream.flush())


def ours(name: str) -> Compress:
    """The size that one of our compressions makes."""

    def compress(data: bytes) -> int:
        writer = Writer(io.BytesIO(), parse(name))
        for piece in pieces(data):
            writer.add(piece)
        writer.finish()
        return writer.size

    return compress


def timed(compress: Compress, data: bytes) -> tuple[float, int]:
    """Seconds and size."""
    started = time.monotonic()
    size = compress(data)
    return time.monotonic() - started, size


def content(blob: Path) -> bytes:
    """The tar of a layer, or its beginning."""
    data = bytearray()
    with blob.open("rb") as source:
        for piece in plain(source, blob):
            data += piece
            if len(data) > MOST:
                break
    return bytes(data[:MOST])


def layers() -> list[Path]:
    """The layers of python3.13's images in dist, each once."""
    found: dict[str, Path] = {}
    for name in ("build-python3.13-debian-amd64", "python3.13-debian-amd64"):
        layout = Layout(ROOT / "dist" / name)
        if (layout.path / "index.json").is_file():
            [image] = layout.images()
            found |= {
                row["digest"]: layout.blob_path(row["digest"]) for row in layout.read_json(image.digest)["layers"]
            }
    return list(found.values())


def said(name: str, seconds: float, faster: float, size: float) -> str:
    """One line of the result."""
    return f"  {name:<10} {seconds:6.2f} s {faster:6.1f} × as fast {size:7.3f} × the size"


def main(given: list[str]) -> None:
    """Measure and print."""
    started("compression of layers")
    kinds: dict[str, Compress] = {BASE: zlib6} | {name: ours(name) for name in ("gzip", "zstd:3", "zstd")}
    blobs = [Path(name) for name in given] or layers()
    totals = dict.fromkeys(kinds, (0.0, 0))
    for blob in blobs:
        data = content(blob)
        if len(data) < SMALLEST and not given:
            continue
        print(f"{blob.name[:12]}, {len(data) / 1e6:.0f} MB")
        # a round has each of them once, so that what else the machine does meets them alike
        rounds = [{name: timed(compress, data) for name, compress in kinds.items()} for _ in range(ROUNDS)]
        for name in kinds:
            seconds = statistics.median(row[name][0] for row in rounds)
            size = rounds[0][name][1]
            totals[name] = (totals[name][0] + seconds, totals[name][1] + size)
            faster = statistics.median(row[BASE][0] / row[name][0] for row in rounds)
            print(said(name, seconds, faster, size / rounds[0][BASE][1]))
    print("all together")
    for name, (seconds, size) in totals.items():
        print(said(name, seconds, totals[BASE][0] / seconds, size / totals[BASE][1]))
    for name, (fast, small) in BOUNDS.items():
        if totals[BASE][1]:
            at_least(f"{name}: speed, in zlib -6's", totals[BASE][0] / totals[name][0], fast)
            at_most(f"{name}: size, in zlib -6's", totals[name][1] / totals[BASE][1], small)


if __name__ == "__main__":
    main(sys.argv[1:])
