"""A checkout with as many images as a benchmark wants, all of them built, each of its layers with one small file."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from measure import MILL, ROOT, run

from imagemill.aging import Effective
from imagemill.dist import Dist
from imagemill.factory import Factory, Paths
from imagemill.load import load
from imagemill.lock import read
from imagemill.plan import plan
from imagemill.progress import Silent

sys.path.insert(0, str(ROOT / "tests" / "unit"))
import tiny_layers

_BASE = "debian-trixie"


@dataclass(frozen=True)
class Checkout:
    """A checkout and the environment in which its own code runs on its own state."""

    root: Path
    environ: Mapping[str, str]

    def command(self, *words: str) -> list[str]:
        """A command of imagemill's on this checkout."""
        return [*MILL, "--root", str(self.root), *words]

    def touch(self, number: int, year: int) -> None:
        """Change a label of one runtime's images (three of them); their layers stay."""
        path = sorted((self.root / "runtimes").glob("*.yaml"))[number]
        text, changed = re.subn(r"(?m)^deprecated: .*$", f"deprecated: {year}-01-01", path.read_text())
        assert changed == 1, path
        path.write_text(text)


def made(root: Path, images: int) -> Checkout:
    """Such a checkout at `root` with about this many images: three for each runtime."""
    _copy(root, images)
    environ = {**os.environ, "PYTHONPATH": str(root / "build"), "IMAGEMILL_STATE": str(root / "state")}
    checkout = Checkout(root, environ)
    run(checkout.command("render"), environ, root)
    _build(root)
    return checkout


def _copy(root: Path, images: int) -> None:
    for name in ("runtimes", "templates", "build"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = root / "runtimes" / "lock" / f"{_BASE}.json"
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


def _build(root: Path) -> None:
    with _patched() as patch:
        tiny_layers.stand_in(patch)
        factory = Factory(Paths(root, root / "state"), Dist(root / "dist"), Silent())
        lock_of = {_BASE: Effective(read(root / "runtimes" / "lock" / f"{_BASE}.json"))}
        stale, _ = factory.pending(plan(load(root)), lock_of)
        factory.make(stale, lock_of)


@contextmanager
def _patched() -> Iterator[pytest.MonkeyPatch]:
    patch = pytest.MonkeyPatch()
    try:
        yield patch
    finally:
        patch.undo()
