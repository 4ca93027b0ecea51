"""The wheel: `build/` is a folder of ours here, and the package in it must not be lost."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_the_package(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {p.relative_to(ROOT / "build").as_posix() for p in (ROOT / "build/imagemill").rglob("*.py")}
    facts = {p.relative_to(ROOT / "build").as_posix() for p in (ROOT / "build/imagemill/facts").glob("*.yaml")}
    assert facts
    assert modules | facts <= names
    assert not any(name.startswith(("init/", "bootstraps/", "build/")) for name in names)
