"""Times of render, plan and a no-op build with 10 to 200 images, as ratios inside one run.

Copies the checkout, multiplies its manifests and locks, and prints one line a figure: what, how many images, the
median of some runs cold (no snapshot of the plan yet) and warm, and the ratio to Python's own start.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from imagemill.aging import Effective
from imagemill.dist import Dist
from imagemill.factory import Factory, Paths
from imagemill.load import load
from imagemill.lock import read
from imagemill.plan import plan
from imagemill.progress import Silent

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit"))
import tiny_layers  # noqa: E402

COMMANDS = {
    "render --check": ("render", "--check"),
    "plan": ("plan", "--set", "all"),
    "no-op build": ("build", "--set", "all", "--no-load"),
}
RUNS = 11


def multiplied(root: Path, images: int) -> None:
    """A copy of the checkout at `root` with about this many images: three for each runtime."""
    for name in ("runtimes", "templates", "build"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = root / "runtimes" / "lock" / "debian-trixie.json"
    lock = json.loads(path.read_text())
    originals, texts = [], []
    for original in sorted((root / "runtimes").glob("*.yaml")):
        text = original.read_text()
        # what stands by itself: the JDK that compiles Java's client is another runtime's
        if original.stem in lock["sets"] and "jars:" not in text:
            originals.append(original)
            texts.append(text)
        original.unlink()
    for number in range(round(images / 3)):
        name, text = originals[number % len(originals)].stem, texts[number % len(originals)]
        copy = f"{name}-{number}"
        lines = [line for line in text.splitlines() if not line.startswith("aliases:")]
        changed = "\n".join(lines).replace(f"name: {name}", f"name: {copy}", 1)
        (root / "runtimes" / f"{copy}.yaml").write_text(changed + "\n")
        for part in ("", "/build"):
            lock["sets"][copy + part] = lock["sets"][name + part]
    path.write_text(json.dumps(lock))


def built(root: Path) -> None:
    """All images of the checkout in its dist, each of its layers with one small file."""
    patch = pytest.MonkeyPatch()
    tiny_layers.stand_in(patch)
    factory = Factory(Paths(root, root / "state"), Dist(root / "dist"), Silent())
    lock_of = {"debian-trixie": Effective(read(root / "runtimes" / "lock" / "debian-trixie.json"))}
    stale, _ = factory.pending(plan(load(root)), lock_of)
    factory.make(stale, lock_of)
    patch.undo()


def seconds(root: Path, *arguments: str, environ: Mapping[str, str]) -> float:
    """The wall time of a command of imagemill, which must succeed."""
    command = [sys.executable, "-m", "imagemill", "--root", str(root), *arguments]
    started = time.monotonic()
    subprocess.run(command, env=dict(environ), check=True, capture_output=True, cwd=root)
    return time.monotonic() - started


def main() -> None:
    """Measure and print."""
    start = [sys.executable, "-c", "pass"]
    with tempfile.TemporaryDirectory() as folder:
        for images in (10, 50, 100, 200):
            root = Path(folder, str(images))
            multiplied(root, images)
            environ = {**os.environ, "PYTHONPATH": str(root / "build"), "IMAGEMILL_STATE": str(root / "state")}
            environ.pop("PYTHONDONTWRITEBYTECODE", None)
            seconds(root, "render", environ=environ)
            built(root)
            for what, arguments in COMMANDS.items():
                cold, warm, python = [], [], []
                for _ in range(RUNS):
                    started = time.monotonic()
                    subprocess.run(start, check=True)
                    python.append(time.monotonic() - started)
                    shutil.rmtree(root / "state" / "plans", ignore_errors=True)
                    cold.append(seconds(root, *arguments, environ=environ))
                    warm.append(seconds(root, *arguments, environ=environ))
                unit = statistics.median(python)
                for state, times in (("cold", cold), ("warm", warm)):
                    spent = statistics.median(times)
                    beyond = (spent - unit) * 1000
                    print(
                        f"{what:<16} {images:>4} images, {state}: {spent * 1000:6.0f} ms  {spent / unit:6.1f} × python"
                        f", {beyond:.0f} ms beyond it"
                    )


if __name__ == "__main__":
    main()
