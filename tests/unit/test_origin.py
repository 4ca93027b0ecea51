"""The files that a plan comes from: read again after every change of any of them, and only then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imagemill import origin

MANIFEST, TEMPLATE = "runtimes/python3.13.yaml", "templates/macros.j2"


def same_size_and_time(path: Path) -> None:
    stat = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def replaced(path: Path) -> None:
    stat = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes().upper())
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "other words": lambda path: path.write_text("x: 1\n"),
    "as many others with the old time": same_size_and_time,
    "another file in its place with the old time": replaced,
    "its name": lambda path: path.rename(path.with_name("other.yaml")),
    "gone": lambda path: path.unlink(),
}


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of a moment ago count as old."""
    monkeypatch.setattr(origin, "_SETTLED", -(10**12))


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", [MANIFEST, TEMPLATE])
def test_a_change_is_seen(name: str, change: str, checkout: Path, tmp_path: Path) -> None:
    before = origin.current(checkout, tmp_path)
    CHANGES[change](checkout / name)
    after = origin.current(checkout, tmp_path)
    assert after == origin.current(checkout, tmp_path / "fresh")
    assert (after.manifests != before.manifests) is (name == MANIFEST)
    assert (after.common != before.common) is (name == TEMPLATE)


@pytest.mark.usefixtures("settled")
def test_what_is_as_it_was_is_not_read(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = origin.current(checkout, tmp_path)
    monkeypatch.setattr(origin, "content", lambda path: pytest.fail(f"{path} was read"))
    assert origin.current(checkout, tmp_path) == before


def test_what_changed_a_moment_ago_is_read_until_time_has_passed(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change at the same time, as a file system counts, would not be seen."""
    origin.current(checkout, tmp_path)
    assert not (tmp_path / "plans").exists()
    ahead = time.time_ns() + 3 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: ahead)
    origin.current(checkout, tmp_path)
    assert (tmp_path / "plans" / "origin").is_file()


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("text", ["", "[]", "{", '{"stamp": 1}', '{"stamp": "x", "origin": {}}'])
def test_a_damaged_record_counts_as_none(text: str, checkout: Path, tmp_path: Path) -> None:
    before = origin.current(checkout, tmp_path)
    (tmp_path / "plans" / "origin").write_text(text)
    assert origin.current(checkout, tmp_path) == before


@pytest.mark.usefixtures("settled")
def test_where_nothing_can_be_written_they_are_read_each_time(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert origin.current(checkout, tmp_path / "file") == origin.current(checkout, tmp_path)
