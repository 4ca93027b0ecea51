"""Copies of this checkout for tests that change it, and commands in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copied(top: Path, *runtimes: str) -> Path:
    """A copy below `top` of what the factory works with, its only runtimes being these. Returns `top`."""
    for name in ("runtimes", "templates", "build", "examples"):
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (top / "runtimes").glob("*.yaml"):
        if path.stem not in runtimes:
            path.unlink()
    return top


def mill(root: Path, *arguments: str) -> str:
    """What imagemill prints in that checkout; downloads and what was compiled are kept with this one's."""
    done = subprocess.run(
        [sys.executable, "-m", "imagemill", "--root", root, *arguments],
        env={"IMAGEMILL_STATE": str(ROOT / ".imagemill"), **os.environ, "PYTHONPATH": str(root / "build")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout
