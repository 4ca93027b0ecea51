"""Worker processes: their answers, their errors, their deaths, and the end that they take with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagemill.crew import Crew, WorkError
from imagemill.errors import AssembleError


def work(job: tuple[str, Any]) -> Any:
    match job:
        case "say", word:
            return word
        case "pid", _:
            return os.getpid()
        case "refuse", word:
            raise AssembleError(word, "do otherwise")
        case "stumble", word:
            raise ValueError(word)
        case "die", number:
            os.kill(os.getpid(), number)
        case "linger", path:
            child = subprocess.Popen(["sleep", "600"])
            Path(path).write_text(f"{os.getpid()} {child.pid}")
            child.wait()
    return None


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with Crew(1, work) as made:
        yield made


def test_an_answer(crew: Crew) -> None:
    assert crew.do(("say", {"a": 1})) == {"a": 1}


def test_a_process_serves_many_jobs(crew: Crew) -> None:
    assert crew.do(("pid", 0)) == crew.do(("pid", 0)) != os.getpid()


def always() -> bool:
    return True


def test_after_a_job_that_tires_a_new_process_does_the_next() -> None:
    with Crew(1, work, always) as crew:
        pids = [crew.do(("pid", 0)) for _ in range(3)]
        assert eventually(lambda: not any(map(alive, pids)))
    assert len(set(pids)) == 3


def test_an_error_comes_with_its_words_its_exit_code_and_its_traceback(crew: Crew) -> None:
    with pytest.raises(WorkError) as caught:
        crew.do(("refuse", "such a package"))
    assert (caught.value.message, caught.value.remedy, caught.value.exit_code) == ("such a package", "do otherwise", 17)
    assert "in work" in caught.value.trace


def test_a_mistake_of_ours_has_a_traceback_too(crew: Crew) -> None:
    with pytest.raises(WorkError, match="ValueError: oops") as caught:
        crew.do(("stumble", "oops"))
    assert "raise ValueError(word)" in caught.value.trace


def test_a_killed_process_is_said_and_replaced(crew: Crew) -> None:
    with pytest.raises(WorkError, match="was killed\n  likely for want of memory"):
        crew.do(("die", signal.SIGKILL))
    assert crew.do(("say", 1)) == 1


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def eventually(condition: Any) -> bool:
    until = time.monotonic() + 20
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return bool(condition())


SCRIPT = """
import sys, threading, time
sys.path.insert(0, sys.argv[1])
from test_crew import Crew, work
if __name__ == "__main__":
    with Crew(1, work) as crew:
        thread = threading.Thread(target=crew.do, args=(("linger", sys.argv[2]),), daemon=True)
        thread.start()
        if sys.argv[3] == "killed":
            time.sleep(600)
        import pathlib
        while not pathlib.Path(sys.argv[2]).exists() or not pathlib.Path(sys.argv[2]).read_text():
            time.sleep(0.01)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", ["closed", "killed"])
def test_workers_and_what_they_started_end_with_us(how: str, tmp_path: Path) -> None:
    script, note = tmp_path / "script.py", tmp_path / "pids"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, script, Path(__file__).parent, note, how]) as process:
        assert eventually(lambda: note.exists() and note.read_text())
        if how == "killed":
            process.kill()
    pids = [int(word) for word in note.read_text().split()]
    assert len(pids) == 2
    assert eventually(lambda: not any(map(alive, pids)))
