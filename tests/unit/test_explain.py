"""`imagemill plan --explain`: what makes an image, and why it would be made now."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_layers
from click.testing import CliRunner

from imagemill.aging import Effective
from imagemill.cli import main
from imagemill.dist import Dist
from imagemill.explain import Explainer, text
from imagemill.factory import Factory, Paths
from imagemill.layers import LayerStore
from imagemill.load import load
from imagemill.lock import read
from imagemill.oci import Layout
from imagemill.plan import plan, select
from imagemill.platforms import find
from imagemill.progress import Silent
from imagemill.render import Renderer

ROOT = Path(__file__).parents[2]
NAME = "python3.13-debian"


def lock_of(root: Path) -> dict[str, Effective]:
    return {"debian-trixie": Effective(read(root / "runtimes/lock/debian-trixie.json"))}


def build(root: Path, place: Path, epoch: int | None = None) -> Dist:
    """python3.13 of the checkout `root`, built below `place`."""
    dist = Dist(place / "dist")
    factory = Factory(Paths(root, place / "state"), dist, Silent(), epoch=epoch)
    stale, _ = factory.pending(select(plan(load(root)), ["python3.13"]), lock_of(root))
    factory.make(stale, lock_of(root))
    return dist


def explained(root: Path, place: Path, engine: str = "embedded", tag: str = "python3.13") -> dict[str, Any]:
    store = LayerStore(place / "state" / "layers")
    explainer = Explainer(Renderer(root, engine=engine), store, Dist(place / "dist"), engine, find("amd64"))
    return explainer.explain(select(plan(load(root)), [tag])[0], lock_of(root)["debian-trixie"])


@pytest.fixture
def built(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the checkout, whose python3.13 is built beside it, in `tmp_path`."""
    tiny_layers.stand_in(monkeypatch)
    build(checkout, tmp_path)
    return checkout


def test_what_was_built_would_not_be_built_again(built: Path, tmp_path: Path) -> None:
    row = explained(built, tmp_path)
    assert row["reasons"] == []
    assert "is up to date in dist" in text(row)
    assert all(made["digest"] for step in row["steps"][:-1] for made in step["platforms"].values())


def record(change: Callable[[Any], Any]) -> Callable[[Path, Path], None]:
    """A change of the record in dist."""

    def apply(root: Path, place: Path) -> None:
        dist = Dist(place / "dist")
        dist.write({NAME: change(dist.read()[NAME])})

    return apply


def append(name: str) -> Callable[[Path, Path], None]:
    def apply(root: Path, place: Path) -> None:
        with (root / name).open("a") as file:
            file.write("\n\n")

    return apply


REASONS: dict[str, tuple[Callable[[Path, Path], None], list[str]]] = {
    "a file of ours": (append("build/bootstraps/python/bootstrap.py"), ["language: files changed"]),
    "the init": (append("build/init/main.go"), ["init: sources changed"]),
    "the builder": (append("build/imagemill/assemble/npm.py"), ["builder changed", "engine embedded changed"]),
    "another engine": (record(lambda a: replace(a, engine="docker")), ["it was made by the docker engine"]),
    "another lock": (
        record(lambda a: replace(a, lock="refreshed: x", input_hash="0+refreshed: x")),
        ["its lock was 'refreshed: x' and is 'exact' now"],
    ),
    "an old record": (
        record(lambda a: replace(a, inputs={}, input_hash="0")),
        ["the record does not say what it was made of"],
    ),
    "one platform": (
        record(lambda a: replace(a, platforms={"linux/amd64": a.platforms["linux/amd64"]})),
        ["linux/arm64 was not made"],
    ),
    "lost files": (
        lambda root, place: (place / "dist" / f"{NAME}-arm64" / "index.json").unlink(),
        ["its files in dist are not all there"],
    ),
    "no record": (lambda root, place: Dist(place / "dist").write({}), ["dist has no record of it"]),
}


@pytest.mark.parametrize("name", REASONS)
def test_why_it_would_be_built(name: str, built: Path, tmp_path: Path) -> None:
    change, expected = REASONS[name]
    change(built, tmp_path)
    row = explained(built, tmp_path)
    assert [reason.partition(" (")[0] for reason in row["reasons"]] == expected
    assert f"would be built now:\n  {row['reasons'][0]}" in text(row)


@pytest.mark.parametrize("name", REASONS)
def test_the_factory_agrees(name: str, built: Path, tmp_path: Path) -> None:
    REASONS[name][0](built, tmp_path)
    factory = Factory(Paths(built, tmp_path / "state"), Dist(tmp_path / "dist"), Silent())
    stale, _ = factory.pending(select(plan(load(built)), ["python3.13"]), lock_of(built))
    assert [one.image.name for one in stale] == [NAME]


def test_steps_name_their_makers_inputs_and_platforms(tmp_path: Path) -> None:
    row = explained(ROOT, tmp_path, tag="build-python3.13")
    assert [step["step"] for step in row["steps"]] == [
        *("system", "init", "toolchain", "language", "build", "packages", "image"),
    ]
    system, init, _, language, *_ = row["steps"]
    assert [made["how"].split(",")[0] for made in system["platforms"].values()] == ["native", "cross"]
    assert init["maker"].startswith("compiled by go1.")
    assert "modules compiled by the locked CPython 3.13 of linux/amd64" in language["maker"]
    kinds = {one["kind"] for one in language["inputs"]}
    assert kinds == {"debian", "pypi"}
    assert all(one["version"] and one["digest"].startswith("sha256:") for one in language["inputs"])
    said = text(row)
    assert "1. system: Debian packages unpacked" in said
    assert "packages that these depend on" in said
    assert "/var/runtime/bootstrap  (a file of ours)" in said


def test_explain_on_the_command_line() -> None:
    mill = CliRunner()
    done = mill.invoke(main, ["--root", str(ROOT), "plan", "--explain", "python3.13", "--format", "json"])
    assert [row["tag"] for row in json.loads(done.stdout)] == ["python3.13"]
    done = mill.invoke(main, ["--root", str(ROOT), "plan", "--explain", "python3.13"])
    assert done.stdout.startswith("python3.13  (input hash ")
    assert mill.invoke(main, ["--root", str(ROOT), "plan", "--explain", "--format", "matrix"]).exit_code == 2


# --- SOURCE_DATE_EPOCH ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epoch", "created", "newest"), [(None, 7, 7), (3, 3, 3), (100, 100, 7)])
def test_times_come_from_source_date_epoch(
    epoch: int | None, created: int, newest: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tarfile

    tiny_layers.stand_in(monkeypatch)
    layout = Layout(build(ROOT, tmp_path, epoch).layout(NAME, "amd64"))
    [entry] = layout.images()
    manifest = layout.read_json(entry.digest)
    config = layout.read_json(manifest["config"]["digest"])
    stamp = f"1970-01-01T00:{created // 60:02}:{created % 60:02}Z"
    assert {config["created"], *(row["created"] for row in config["history"])} == {stamp}
    for layer in manifest["layers"]:
        with tarfile.open(layout.blob_path(layer["digest"])) as tar:
            assert {member.mtime for member in tar} == {newest}


def test_a_time_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    done = CliRunner().invoke(main, ["--root", str(ROOT), "plan"])
    assert (done.exit_code, done.stdout) == (10, "")
    assert "SOURCE_DATE_EPOCH is 'yesterday'" in done.stderr
