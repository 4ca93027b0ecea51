"""Times of the factory, as ratios inside one run: `make bench`. Downloads must be in the cache (`make images` first).

Prints one line a figure: what, the median of some runs, and the ratio to what it is held against.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGES = ("python3.13", "nodejs24.x", "provided.al2023")


def seconds(argv: Sequence[str | Path], environ: dict[str, str] | None = None) -> float:
    """The wall time of a command, which must succeed."""
    started = time.monotonic()
    subprocess.run(argv, cwd=ROOT, env=environ, check=True, capture_output=True)
    return time.monotonic() - started


def median(argv: Sequence[str | Path], runs: int = 5) -> float:
    """The median wall time of a command over some runs, after one to warm up."""
    seconds(argv)
    return statistics.median(seconds(argv) for _ in range(runs))


def clean_build(platform: str, folder: Path) -> float:
    """Run, build and serve images of some languages, made from cached downloads in a fresh state and a fresh dist."""
    state = folder / platform.replace("/", "-")
    state.mkdir()
    (state / "cache").symlink_to(ROOT / ".imagemill" / "cache")
    environ = {**os.environ, "IMAGEMILL_STATE": str(state)}
    mill = [sys.executable, "-m", "imagemill", "build", "--no-load", "--dist", str(state / "dist")]
    images = [f"{variant}{name}" for name in IMAGES for variant in ("", "build-", "serve-")]
    spent = seconds([*mill, "--platform", platform, *images], environ)
    shutil.rmtree(state)
    return spent


def main() -> None:
    """Measure and print."""
    python = median([sys.executable, "-c", "pass"])
    for what, command in (
        ("plan", ["plan"]),
        ("render", ["render", "--check"]),
        ("no-op build", ["build", "--no-load"]),
    ):
        spent = median([sys.executable, "-m", "imagemill", *command])
        print(f"{what:<28} {spent:7.2f} s   {spent / python:6.1f} × python -c pass")
    with tempfile.TemporaryDirectory(dir=ROOT / ".imagemill") as folder:
        rounds = [
            (clean_build("linux/amd64", Path(folder)), clean_build("linux/arm64", Path(folder))) for _ in range(3)
        ]
    amd64, arm64 = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(arm / amd for amd, arm in rounds)
    print(f"{'clean build, amd64':<28} {amd64:7.2f} s")
    print(f"{'clean build, arm64':<28} {arm64:7.2f} s   {ratio:6.2f} × amd64")


if __name__ == "__main__":
    main()
