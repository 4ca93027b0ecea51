"""The build command: failures at the end, what is finished on stdout, who waits for whom."""

from __future__ import annotations

import fcntl
import io
import os
import threading
from functools import partial
from pathlib import Path

import pytest
import tiny_factory
from click.testing import CliRunner, Result
from tiny_factory import ROOT, Here

from imagemill.cli import main
from imagemill.dist import Dist
from imagemill.errors import AssembleError
from imagemill.factory import Factory
from imagemill.fetch import Fetcher
from imagemill.layers import Order
from imagemill.occupancy import occupied
from imagemill.progress import progress


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny layers of inputs that nobody fetches."""
    monkeypatch.setattr("imagemill.layers.LayerStore._assemble", tiny_factory.tiny)
    monkeypatch.setattr(Factory, "_crew", lambda self, size: Here())
    monkeypatch.setattr(Fetcher, "fetch", lambda *_: None)
    monkeypatch.setenv("IMAGEMILL_STATE", str(tmp_path / "state"))


def build(tmp_path: Path, *args: str) -> Result:
    place = ["--no-load", "--dist", str(tmp_path / "dist")]
    return CliRunner().invoke(main, ["--root", str(ROOT), "build", *place, *args])


def test_failures_are_told_at_the_end_and_the_rest_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def do(self: object, job: Order) -> object:
        if job.job.recipe.set == "python3.13":
            raise AssembleError("two packages disagree", "lock it anew")
        return tiny_factory.work(job)

    with monkeypatch.context() as broken:
        broken.setattr(Here, "do", do)
        done = build(tmp_path, "nodejs24.x", "provided.al2023", "python3.13")
    assert done.exit_code == AssembleError.exit_code
    assert [line.partition("@")[0] for line in done.stdout.splitlines()] == ["nodejs24.x", "provided.al2023"]
    end = done.stderr[done.stderr.index("error: ") :]
    log = tmp_path / "dist" / "logs" / "python3.13-debian.log"
    assert end.startswith("error: 1 image could not be made:\n  python3.13-debian (layer python3.13 for a")
    assert end.endswith(f"two packages disagree\n      lock it anew\n    log: {log}\n")
    assert build(tmp_path, "run").exit_code == 0


def test_shards_build_each_image_once(tmp_path: Path) -> None:
    lines = [build(tmp_path / number, "--shard", f"{number}/2").stdout.splitlines() for number in "12"]
    whole = build(tmp_path / "whole").stdout.splitlines()
    assert sorted(lines[0] + lines[1]) == sorted(whole)
    assert all(lines)
    merged = ["merge", "--into", str(tmp_path / "merged"), *(str(tmp_path / number / "dist") for number in "12")]
    assert sorted(CliRunner().invoke(main, ["--root", str(ROOT), *merged]).stdout.splitlines()) == sorted(whole)


def test_a_shard_without_images_is_one_too(tmp_path: Path) -> None:
    for number in "123":
        done = build(tmp_path / number, "--shard", f"{number}/3", "python3.13", "serve-python3.13")
        assert done.exit_code == 0
    dists = [Dist(tmp_path / number / "dist") for number in "123"]
    assert sorted(len(dist.read()) for dist in dists) == [0, 0, 2]
    merged = ["merge", "--into", str(tmp_path / "merged"), *(str(dist.path) for dist in dists)]
    assert CliRunner().invoke(main, ["--root", str(ROOT), *merged]).exit_code == 0


def test_only_a_finished_build_is_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dist = Dist(tmp_path / "dist")
    build(tmp_path, "--shard", "1/2", "provided.al2023")
    assert dist.shard == "1/2"
    with monkeypatch.context() as broken:
        broken.setattr(Here, "do", lambda *_: 1 / 0)
        assert build(tmp_path, "--shard", "1/1", "python3.13").exit_code == 10
    assert dist.shard == ""
    build(tmp_path, "--shard", "1/1", "python3.13")
    assert dist.shard == "1/1"
    build(tmp_path, "python3.13")
    assert dist.shard == "", "what is there now is no share of anything"


def test_a_shard_and_a_platform(tmp_path: Path) -> None:
    build(tmp_path, "--shard", "1/2", "--platform", "linux/arm64")
    assert {tuple(artifact.platforms) for artifact in Dist(tmp_path / "dist").read().values()} == {("linux/arm64",)}


def test_no_wait_refuses(tmp_path: Path) -> None:
    with occupied(tmp_path / "dist", print):
        done = build(tmp_path, "--no-wait", "python3.13")
    assert (done.exit_code, done.stdout) == (41, "")
    assert "is in use by imagemill, process" in done.stderr


def test_or_it_waits_and_says_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr("imagemill.progress.progress", partial(progress, said))
    held, let_go = threading.Event(), threading.Event()
    flock = fcntl.flock

    def waits(file: object, kind: int) -> None:
        if not kind & fcntl.LOCK_NB:
            let_go.set()
        flock(file, kind)  # type: ignore[arg-type]

    def other() -> None:
        with occupied(tmp_path / "dist", print):
            held.set()
            assert let_go.wait(60)
            assert not (tmp_path / "dist" / "digests.json").exists()

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(20)
    monkeypatch.setattr("imagemill.occupancy.fcntl.flock", waits)
    done = build(tmp_path, "python3.13")
    thread.join(20)
    assert done.exit_code == 0
    assert f"waiting for imagemill, process {os.getpid()}, since" in said.getvalue()
    assert set(Dist(tmp_path / "dist").read()) == {"python3.13-debian"}


@pytest.mark.parametrize("args", [("--shard", "3/2"), ("--shard", "x")])
def test_a_wrong_shard_is_refused(args: tuple[str, ...], tmp_path: Path) -> None:
    done = build(tmp_path, *args)
    assert done.exit_code == 12
    assert "there is no shard" in done.stderr


def test_jobs_come_from_the_environment_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def crew(self: Factory, size: int) -> Here:
        sizes.append(size)
        return Here()

    monkeypatch.setattr(Factory, "_crew", crew)
    monkeypatch.setenv("IMAGEMILL_JOBS", "3")
    build(tmp_path / "a", "provided.al2023")
    build(tmp_path / "b", "provided.al2023", "--jobs", "5")
    assert sizes == [3, 5]
