"""What a build has started ends with it, and cleans up."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from test_crew import alive, eventually

from imagemill.engine.children import Children


def test_a_call(tmp_path: Path) -> None:
    script = "echo out $A; pwd; echo err >&2; exit 3"
    done = Children().call(["sh", "-c", script], env={"A": "a", "PATH": "/usr/bin:/bin"}, cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (f"out a\n{tmp_path}\n", "err\n", 3)
    with pytest.raises(FileNotFoundError):
        Children().call([str(tmp_path / "nothing")])


def test_nothing_to_end() -> None:
    children = Children()
    assert children.awaited(int)("7") == 7
    children.end()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("trap", ["", "trap '' TERM; "], ids=["asked", "forced"])
def test_programs_end_and_builds_clean_up(trap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagemill.engine.children._PATIENCE", 1 if trap else 20)
    children, note = Children(), tmp_path / "pids"

    def build() -> None:
        done = children.call(
            ["sh", "-c", f"{trap}sleep 600 & echo $$ $! > {note}.new; mv {note}.new {note}; wait; wait"]
        )
        assert done.returncode < 0
        (tmp_path / "cleaned").touch()

    thread = threading.Thread(target=children.awaited(build))
    thread.start()
    assert eventually(note.exists)
    pids = [int(word) for word in note.read_text().split()]
    children.end()
    assert (tmp_path / "cleaned").exists()
    thread.join(20)
    assert eventually(lambda: not any(map(alive, pids)))


BUILDAH = """#!/bin/sh
case "$*" in *" rm --all") echo $$ > '{note}.cleaned'; exit ;; esac
echo $$ > '{note}.new'; mv '{note}.new' '{note}'
exec sleep 600
"""
BUILD = """
import sys, tiny_factory
from imagemill.cli import main
from imagemill.factory import Factory
from imagemill.fetch import Fetcher
from imagemill.layers import LayerStore
if __name__ == "__main__":
    LayerStore._assemble = tiny_factory.tiny
    Factory._crew = lambda self, size: tiny_factory.Here()
    Fetcher.fetch = lambda *_: None
    main()
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_stopped_build_ends_its_engine_and_what_that_left(tmp_path: Path) -> None:
    """`imagemill build --engine buildah` and SIGTERM, with a buildah that takes its time."""
    import tiny_factory

    note, program = tmp_path / "pid", tmp_path / "bin" / "buildah"
    program.parent.mkdir()
    program.write_text(BUILDAH.format(note=note))
    program.chmod(0o755)
    (tmp_path / "build.py").write_text(BUILD)
    here, package = Path(__file__).parent, tiny_factory.ROOT / "build"
    environ = {
        "PATH": f"{program.parent}:/usr/bin:/bin",
        "PYTHONPATH": f"{here}:{package}",
        "IMAGEMILL_STATE": str(tmp_path / "state"),
    }
    place = ["--no-load", "--dist", str(tmp_path / "dist"), "--engine", "buildah"]
    command = [sys.executable, str(tmp_path / "build.py"), "--root", str(tiny_factory.ROOT), "build", *place]
    with subprocess.Popen([*command, "provided.al2023"], env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert eventually(note.exists)
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert (process.returncode, "stopped by SIGTERM" in said) == (143, True)
    assert not alive(int(note.read_text()))
    assert note.with_name("pid.cleaned").exists(), "buildah itself removes what it has mounted"
    assert not list((tmp_path / "state" / "scratch").iterdir())
    assert not (tmp_path / "dist" / "digests.json").exists()
