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
        [points] = [archive.read(name).decode() for name in names if name.endswith("/entry_points.txt")]
    modules = {p.relative_to(ROOT / "build").as_posix() for p in (ROOT / "build/imagemill").rglob("*.py")}
    data = {
        p.relative_to(ROOT / "build").as_posix()
        for suffix in ("yaml", "json", "j2", "css", "js")
        for p in (ROOT / "build/imagemill").rglob(f"*.{suffix}")
    }
    assert {"imagemill/facts/environment.yaml", "imagemill/reports/page.html.j2"} <= data
    assert modules | data <= names
    assert not any(name.startswith(("init/", "bootstraps/", "build/")) for name in names)
    assert "[pytest11]\nimagemill = imagemill.pytest_plugin" in points
