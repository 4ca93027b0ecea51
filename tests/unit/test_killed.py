"""Runs that end before they are done: what is there is whole, and the next run comes to the same end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_factory
from test_crew import alive, eventually

from imagemill.dist import Dist
from imagemill.oci import Layout, sha256

IMAGES = ("python3.13", "serve-python3.13")
POINTS = 14
EFFECTS = {"open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.truncate"}
"""Audit events (https://docs.python.org/3/library/audit_events.html) before which a run is killed."""


def tree(folder: Path) -> dict[str, str]:
    """All files of dist and of the layer store by digest, without logs and locks, which have times in them."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes())
        for top in ("dist", "state/layers")
        for path in sorted((folder / top).rglob("*"))
        if path.is_file() and path.name != ".lock" and path.parent.name != "logs"
    }


def in_child(act: Callable[[], object]) -> int:
    """Call it in a process of its own. Returns its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        act()
    finally:
        os._exit(1)


def effects(folder: Path, stop: int) -> int:
    """Build below `folder`, and end at once and without a trace before the effect number `stop`."""

    def act() -> None:
        count = 0

        def see(event: str, args: tuple[object, ...]) -> None:
            nonlocal count
            reads = event == "open" and not (isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR))
            if event in EFFECTS and not reads and str(folder) in str(args[0]):
                count += 1
                if count == stop:
                    os._exit(9)

        sys.addaudithook(see)
        tiny_factory.build(folder, *IMAGES)
        (folder / "count").write_text(str(count))
        os._exit(0)

    return in_child(act)


def test_a_run_killed_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert effects(whole, 0) == 0
    total = int((whole / "count").read_text())
    expected = tree(whole)
    assert total > 100 and len(expected) > 50
    for point in range(1, total, total // POINTS):
        folder = tmp_path / str(point)
        folder.mkdir()
        assert effects(folder, point) == 9
        for artifact in Dist(folder / "dist").read().values():  # what the record names is there and whole
            assert Dist(folder / "dist").holds(artifact, verify=True)
        assert effects(folder, 0) == 0
        assert tree(folder) == expected, f"killed before effect {point} of {total}"
        assert not list((folder / "state" / "scratch").iterdir())
        assert [path.name for path in (folder / "dist").glob(".*")] == [".lock"]


ENDS = {"Ctrl-C": (signal.SIGINT, 130), "SIGTERM": (signal.SIGTERM, 143), "kill -9": (signal.SIGKILL, -9)}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("name", ENDS)
def test_a_stopped_run_leaves_no_process_and_nothing_half_written(name: str, tmp_path: Path) -> None:
    number, code = ENDS[name]
    slow = tmp_path / "slow"
    slow.mkdir()
    command = [sys.executable, tiny_factory.__file__, str(tmp_path), *IMAGES]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert eventually(lambda: len(list(slow.iterdir())) == 2)
        started = time.monotonic()
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert time.monotonic() - started < 10
    assert eventually(lambda: not any(alive(int(worker.name)) for worker in slow.iterdir()))
    assert Dist(tmp_path / "dist").read() == {}
    assert not (tmp_path / "state" / "layers").exists() or not list((tmp_path / "state" / "layers").iterdir())
    if code > 0:
        assert f"stopped by {number.name}" in said
        assert not list((tmp_path / "state" / "scratch").iterdir())
    for worker in slow.iterdir():
        worker.unlink()
    slow.rmdir()
    assert subprocess.run(command, check=False).returncode == 0
    assert len(Dist(tmp_path / "dist").read()) == 2
    assert not list((tmp_path / "state" / "scratch").iterdir())
    assert all(Layout(Dist(tmp_path / "dist").index(name)).images() for name in Dist(tmp_path / "dist").read())
