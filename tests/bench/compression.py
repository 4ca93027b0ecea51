"""Compressing a layer, as ratios to zlib's level 6 in one run: `python tests/bench/compression.py [LAYER...]`.

Without LAYER it takes each layer of python3.13's images for amd64 in `dist`, those of the build image first; a large
one is cut after 200 MB. Prints a line a compression: seconds, how many times as fast as zlib -6, and its size in
zlib -6's.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from measure import ROOT, at_least, at_most, found, left_out, run, started

from imagemill.assemble.compression import Writer, parse, plain
from imagemill.mirrors import Mirrors
from imagemill.oci import Layout

ROUNDS = 3
MOST = 200 << 20
SMALLEST = 10 << 20  # below, it is starting threads that is measured
BASE = "zlib -6"
SUITE = "trixie"
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
    blobs: dict[str, Path] = {}
    for name in ("build-python3.13-debian-amd64", "python3.13-debian-amd64"):
        layout = Layout(ROOT / "dist" / name)
        if (layout.path / "index.json").is_file():
            [image] = layout.images()
            blobs |= {
                row["digest"]: layout.blob_path(row["digest"]) for row in layout.read_json(image.digest)["layers"]
            }
    return list(blobs.values())


def said(name: str, seconds: float, faster: float, size: float) -> str:
    """One line of the result."""
    return f"  {name:<10} {seconds:6.2f} s {faster:6.1f} × as fast {size:7.3f} × the size"


def compared(blobs: Sequence[Path], smallest: int) -> dict[str, tuple[float, int]]:
    """Seconds and bytes of each way to compress, for all of these layers that are not too small; a line for each."""
    kinds: dict[str, Compress] = {BASE: zlib6} | {name: ours(name) for name in ("gzip", "zstd:3", "zstd")}
    totals = dict.fromkeys(kinds, (0.0, 0))
    for blob in blobs:
        data = content(blob)
        if len(data) < smallest:
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
    return totals


def judged(what: str, totals: Mapping[str, tuple[float, int]]) -> None:
    """The sums, and whether they are within the bounds."""
    print(what)
    seconds, size = totals[BASE]
    if not size:
        return
    for name, (spent, made) in totals.items():
        print(said(name, spent, seconds / spent, made / size))
    for name, (fast, small) in BOUNDS.items():
        at_least(f"{name}: speed, in zlib -6's", seconds / totals[name][0], fast)
        at_most(f"{name}: size, in zlib -6's", totals[name][1] / size, small)


def main(given: list[str]) -> None:
    """Measure and print."""
    started("compression of layers")
    if given:
        judged("all together", compared([Path(name) for name in given], 0))
        return
    judged("ours, all together", compared(layers(), SMALLEST))
    # the bounds were set by Debian's smallest system as it is: with all locales and manuals, which ours go without
    if os.geteuid() != 0 or not found("mmdebstrap"):
        left_out("Debian's minbase", "needs root and mmdebstrap")
        return
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder, "minbase.tar")
        mirror = Mirrors.discover(os.environ).debian
        run(["mmdebstrap", "-q", "--mode=root", "--variant=minbase", SUITE, str(tar), mirror])
        judged("Debian's minbase", compared([tar], 0))


if __name__ == "__main__":
    main(sys.argv[1:])
