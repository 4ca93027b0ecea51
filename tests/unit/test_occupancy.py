"""One run at a time in a directory; what dead ones left is known and goes."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from imagemill.errors import BusyError
from imagemill.occupancy import abandoned, occupied
from imagemill.scratch import dead, scratch


def never(text: str) -> None:
    raise AssertionError(text)


def test_a_second_run_waits_and_says_for_whom(tmp_path: Path) -> None:
    said: list[str] = []
    waits, order = threading.Event(), []

    def say(text: str) -> None:
        said.append(text)
        waits.set()

    def second() -> None:
        with occupied(tmp_path, say):
            order.append("second")

    thread = threading.Thread(target=second)
    with occupied(tmp_path, never):
        thread.start()
        assert waits.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    [text] = said
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d+"
    assert re.fullmatch(rf"waiting for imagemill, process \d+, since {when}, which works in {tmp_path}", text)


def test_or_refuses(tmp_path: Path) -> None:
    with (
        occupied(tmp_path, never),
        pytest.raises(BusyError, match="is in use by imagemill, process"),
        occupied(tmp_path, never, wait=False),
    ):
        pass


def test_it_is_free_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with occupied(tmp_path / "new" / "folder", never, wait=False):
            pass


def test_some_share_it_and_others_do_not(tmp_path: Path) -> None:
    with (
        occupied(tmp_path, never, shared=True),
        occupied(tmp_path, never, shared=True),
        pytest.raises(BusyError),
        occupied(tmp_path, never, wait=False),
    ):
        pass


def test_who_was_there_before_is_not_named_for_who_shares_it_now(tmp_path: Path) -> None:
    with occupied(tmp_path, never):
        pass
    with (
        occupied(tmp_path, never, shared=True),
        pytest.raises(BusyError, match="is in use by another run"),
        occupied(tmp_path, never, wait=False),
    ):
        pass


def test_scratch_goes_with_its_run(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), scratch(tmp_path) as folder:
        (folder / "half").write_bytes(b"x")
        assert not abandoned(folder)
        raise RuntimeError
    assert not folder.exists()


def test_scratch_of_a_dead_run_goes_with_the_next(tmp_path: Path) -> None:
    left = tmp_path / "scratch" / "run-dead"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    with scratch(tmp_path) as mine:
        assert not left.exists()
        with scratch(tmp_path) as other:
            assert mine.exists() and dead(tmp_path) == []
        assert not other.exists()
