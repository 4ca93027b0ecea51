"""A build that has nothing to do: seen without the factory, and only where the factory would agree."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_layers
from click.testing import CliRunner

from imagemill import snapshot
from imagemill.aging import Effective
from imagemill.cli import build as commands
from imagemill.cli import main
from imagemill.dist import Dist
from imagemill.factory import Factory, Paths
from imagemill.load import load
from imagemill.lock import read
from imagemill.noop import unchanged
from imagemill.plan import Image, plan, select
from imagemill.progress import Silent

ROOT = Path(__file__).parents[2]
NAME = "python3.13-debian"


def build(place: Path, words: list[str], engine: str = "embedded", platforms: tuple[str, ...] = ()) -> Dist:
    dist = Dist(place / "dist")
    factory = Factory(Paths(ROOT, place / "state"), dist, Silent(), engine=engine)
    lock_of = {path.stem: Effective(read(path)) for path in (ROOT / "runtimes" / "lock").glob("*.json")}
    stale, _ = factory.pending(select(plan(load(ROOT)), words), lock_of, platforms)
    factory.make(stale, lock_of, platforms=platforms)
    return dist


def looked(dist: Dist, engine: str = "embedded", platforms: tuple[str, ...] = ()) -> list[str] | None:
    """The names of what `unchanged` sees of python3.13."""
    planned = snapshot.current(ROOT, dist.path.parent / "state", engine=engine)
    rows = [row for row in planned.rows if row["name"] == NAME]
    found = unchanged(rows, dist, engine=engine, platforms=platforms)
    return None if found is None else [one.artifact.name for one in found]


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dist:
    """python3.13, built from tiny layers."""
    tiny_layers.stand_in(monkeypatch)
    return build(tmp_path, ["python3.13"])


@pytest.mark.parametrize("engine", ["embedded", "docker", "buildah"])
def test_what_an_engine_built_is_there_for_it_alone(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_layers.stand_in(monkeypatch)
    made = build(tmp_path, ["python3.13"], engine)
    assert looked(made, engine) == [NAME]
    assert looked(made, "embedded" if engine != "embedded" else "docker") is None


def test_some_platforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_layers.stand_in(monkeypatch)
    made = build(tmp_path, ["python3.13"], platforms=("linux/arm64",))
    assert looked(made, platforms=("linux/arm64",)) == [NAME]
    assert looked(made) is None


def rewritten(change: str, value: object) -> Callable[[Dist], None]:
    def apply(dist: Dist) -> None:
        record = dist.read()
        dist.write({NAME: replace(record[NAME], **{change: value})})  # type: ignore[arg-type]

    return apply


LOSSES: dict[str, Callable[[Dist], object]] = {
    "another input hash": rewritten("input_hash", "0"),
    "another lock": rewritten("input_hash", "0+refreshed: x"),
    "no record": lambda dist: dist.record.unlink(),
    "an empty record": lambda dist: dist.write({}),
    "a damaged record": lambda dist: dist.record.write_text("{"),
    "a record of another form": lambda dist: dist.record.write_text(f'{{"images": {{"{NAME}": {{"x": 1}}}}}}'),
    "a lost layout": lambda dist: (dist.layout(NAME, "amd64") / "index.json").unlink(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_not_as_it_was_left_is_the_factorys(name: str, dist: Dist) -> None:
    assert looked(dist) == [NAME]
    LOSSES[name](dist)
    assert looked(dist) is None


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_layers.stand_in(monkeypatch)
    made = build(tmp_path, [])
    monkeypatch.setenv("IMAGEMILL_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(commands, "workshop_of", lambda *rest: pytest.fail("the factory was asked"))
    arguments = ["--root", str(ROOT), "build", "--no-load", "--set", "all", "--dist", str(made.path)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    record = made.read().values()
    assert sorted(done.stdout.split()) == sorted(f"{one.tags[-1]}@{one.digest}" for one in record)
    assert done.stderr.count("unchanged") == len(record)


def test_the_command_to_run_one_names_an_example_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_layers.stand_in(monkeypatch)
    monkeypatch.setenv("IMAGEMILL_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(Image, "platforms", ("linux/amd64",))
    root = tmp_path / "checkout"
    for name in ("runtimes", "templates", "build", "examples"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("out"))
    arguments = ["--root", str(root), "build", "--no-load", "java21", "nodejs24.x"]
    said = CliRunner().invoke(main, arguments).stderr
    assert "java21-debian" in said and "imagemill run nodejs24.x --task-dir examples/nodejs " in said
    (root / "examples" / "java" / "out").mkdir()
    assert "imagemill run java21 --task-dir examples/java/out " in CliRunner().invoke(main, arguments).stderr
