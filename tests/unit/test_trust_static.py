"""Trust metadata in files: whole at every instant, finished by who comes next, written by one at a time."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from small_trust import GUN, World, image

from imagemill.errors import TrustError
from imagemill.trust.reader import Anchor, read
from imagemill.trust.static import Static


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here has to outlive a power cut."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_a_client_asks_for_is_there(world: World) -> None:
    world.founded().sign({"1": image()})
    names = {str(path.relative_to(world.folder / "served")) for path in (world.folder / "served").rglob("*.*")}
    place = f"v2/{GUN}/_trust/tuf"
    fixed = {f"{place}/{name}.json" for name in ("root", "1.root", "targets", "snapshot", "timestamp")}
    assert {"v2/index.html", *fixed} <= names
    hashed = names - fixed - {"v2/index.html", f"{place}/.lock", "v2/example.com"}
    assert sorted(name.removeprefix(f"{place}/").partition(".")[0] for name in hashed) == [
        *("root", "snapshot", "snapshot", "targets", "targets")
    ]


class Killed(BaseException):
    """Nobody catches this, as nobody catches SIGKILL."""


def test_killed_at_any_instant_it_is_whole_and_the_next_run_finishes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = World(tmp_path / "start")
    start.founded().sign({"1": image(1)})
    seen = start.stranger()
    rename, hardlink, mkdir = os.replace, os.link, os.mkdir
    for instant in range(1, 60):
        world = World(tmp_path / f"at-{instant}")
        shutil.copytree(start.folder, world.folder)
        left = [instant]

        def dying(step: object, left: list[int] = left) -> object:
            def call(*words: object, **named: object) -> object:
                left[0] -= 1
                if left[0] == 0:
                    raise Killed
                return step(*words, **named)  # type: ignore[operator]

            return call

        repository = world.repository()
        with monkeypatch.context() as patch:
            for name, step in (("replace", rename), ("rename", os.rename), ("link", hardlink), ("mkdir", mkdir)):
                patch.setattr(os, name, dying(step))
            try:
                repository.rotate("snapshot")
            except Killed:
                pass
            else:
                break
        assert set(world.stranger().tags) == {"1"}, instant
        assert set(world.stranger(seen.anchor).tags) == {"1"}, instant
        world.repository().sign({"2": image(2)})
        assert set(world.stranger(seen.anchor).tags) == {"1", "2"}, instant
        assert not list(world.files.glob(".pending*"))
    assert instant > 12


def test_readers_find_it_whole_while_it_is_written(world: World) -> None:
    repository = world.founded()
    repository.sign({"0": image(9)})
    stop = threading.Event()
    failed: list[TrustError] = []
    readings = [0]

    def watch() -> None:
        while not stop.is_set():
            try:
                assert "0" in read(Static(world.folder / "served", GUN, print), Anchor(), world.now).tags
                readings[0] += 1
            except TrustError as error:
                failed.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    for number, role in enumerate(("root", "targets", "snapshot", "timestamp") * 2):
        repository.rotate(role)
        repository.sign({str(number): image(number + 1)})
    stop.set()
    thread.join()
    assert failed == [] and readings[0] > 5


def test_writers_take_turns(world: World) -> None:
    world.founded()
    repositories = [world.repository() for _ in range(3)]

    def publish(which: int) -> None:
        for number in range(5):
            repositories[which].sign({f"{which}-{number}": image(number + 1)})

    threads = [threading.Thread(target=publish, args=(which,)) for which in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.tags()) == 15


def test_a_full_disk_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = world.founded()
    repository.sign({"1": image(1)})
    full = OSError(28, "No space left on device", "somewhere")

    def write(path: Path, data: bytes) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr("imagemill.trust.static._write", write)
        with pytest.raises(TrustError, match="No space left on device"):
            repository.sign({"2": image(2)})
    assert set(world.tags()) == {"1"}
    repository.sign({"2": image(2)})
    assert set(world.tags()) == {"1", "2"}


@pytest.mark.parametrize("gun", ["", "../x", "a/../../x", "/etc"])
def test_names_that_lead_elsewhere(gun: str, tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="no name of a repository"):
        Static(tmp_path, gun, print)
