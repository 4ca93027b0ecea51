"""`imagemill conform` on images that are not in dist: the command, what it is told, and what it says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conform_images import EPOCH, ROOT, FakeRunner, good_config, good_tree, rewrite, subject, write_layout

from imagemill.appraise import Terms, appraise
from imagemill.cache import Cache
from imagemill.cli import main
from imagemill.dist import Dist
from imagemill.engine.runner import Completed
from imagemill.factory import Paths
from imagemill.filetree import Entry, Tree
from imagemill.load import load
from imagemill.mirrors import Mirrors
from imagemill.oci import Layout
from imagemill.plan import plan
from imagemill.platforms import Platform
from imagemill.progress import Silent
from imagemill.references import Places
from imagemill.web import Web
from imagemill.workshop import Workshop


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state of its own, and no engine on PATH."""
    monkeypatch.setenv("IMAGEMILL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    return tmp_path / "state"


def image(folder: Path, name: str = "serve-python3.13-debian", tree: Tree | None = None) -> Path:
    """The layout of a good image with these files too, as somebody else would have made it."""
    about = subject(name)
    config: dict[str, Any] = {**good_config(about.image, about.platform)}
    config["config"] = {**config["config"], "Labels": None}
    return write_layout(folder, config, [{**good_tree(about.image, about.platform), **(tree or {})}, {}])


def conform(*args: str) -> Result:
    return CliRunner().invoke(main, ["--root", str(ROOT), "conform", "--no-run", *args])


def test_a_foreign_image_is_judged_by_what_holds_for_all(state: Path, tmp_path: Path) -> None:
    layout = image(tmp_path)
    result = conform("--as", "python3.13/serve", "--report", f"json={tmp_path / 'report.json'}", str(layout))
    report = json.loads((tmp_path / "report.json").read_text())
    assert (result.exit_code, "Traceback" in result.stderr) == (1, False)
    assert {row["image"] for row in report["images"]} == {str(layout)}
    assert {row["digest"] for row in report["images"]} == {entry.digest for entry in Layout(layout).images()}
    failed = {row["check"] for row in report["findings"] if row["status"] == "fail"}
    assert failed == {"system.release", "programs.libraries"}  # it says that it is Debian, and nobody accepted that


def test_an_image_that_is_as_aws_s_passes(state: Path, tmp_path: Path) -> None:
    files = {
        "usr/lib/os-release": Entry("file", mtime=EPOCH, content=b'ID="amzn"\n'),
        "usr/sbin/update-passwd": Entry("file", 0o755, mtime=EPOCH, content=b"#!/bin/sh\n"),
    }
    result = conform("--as", "python3.13/serve", str(image(tmp_path, tree=files)))
    assert result.exit_code == 0, result.stderr


WRONG: dict[str, tuple[Sequence[str], int, str]] = {
    "nothing tells what it is": ([], 12, "say it with --as"),
    "held against what is not planned": (["--as", "cobol85/run"], 12, "nothing like it is planned"),
    "a platform that it has not": (["--as", "python3.13/serve", "--platform", "arm64"], 12, "has linux/amd64"),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_errors_that_say_what_to_do(case: str, state: Path, tmp_path: Path) -> None:
    args, code, message = WRONG[case]
    result = conform(*args, str(image(tmp_path)))
    assert result.exit_code == code
    assert message in result.stderr and "Traceback" not in result.stderr


def test_a_word_that_means_nothing_is_an_error(state: Path) -> None:
    result = conform("pyhton3.13")
    assert result.exit_code == 12
    assert "no image is called 'pyhton3.13'" in result.stderr


class Engine:
    """Stands for an engine: has what it is told to load, and answers as a good image does."""

    name = "engine"
    environ: Mapping[str, str] = {}

    def __init__(self, answers: FakeRunner) -> None:
        self.answers = answers
        self.said: list[str] = []

    def obstacle(self, platform: Platform) -> str:
        return "" if platform.arch == "amd64" else "no emulator"

    def load(self, images: Mapping[Path, Sequence[str]]) -> None:
        for layout, names in images.items():
            assert len(Layout(layout).images()) == 1
            self.said += [f"load {name}" for name in names]

    def forget(self, name: str) -> None:
        self.said.append(f"forget {name}")

    def run(self, image: str, **options: Any) -> Completed:
        assert f"load {image}" in self.said
        words = [options["entrypoint"]] if options["entrypoint"] else None
        mounts = [mount.source for mount in options["mounts"]]
        done = self.answers(
            options["args"], entrypoint=words, env={}, task_dir=mounts[0] if mounts else None, timeout=1,
            hardened=options.get("read_only", False),
        )  # fmt: skip
        return Completed(done.stdout, done.stderr, done.code)


def test_where_something_runs_it_is_run_and_forgotten_again(state: Path, tmp_path: Path) -> None:
    about = subject("python3.13-debian")
    layout = image(tmp_path, "python3.13-debian")
    engine: Any = Engine(FakeRunner(about))
    paths = Paths(ROOT, state)
    workshop = Workshop(paths, Dist(tmp_path / "dist"), Mirrors({}), Silent(), os.environ)
    places = Places(tmp_path, Cache(paths.cache), Web(Mirrors({})), lambda name: "", None, lambda text: None)
    terms = Terms(plan(load(ROOT)), "", (), EPOCH)
    [found] = appraise([str(layout)], terms, workshop, places, engine)
    status = {finding.check: finding.status for finding in found.findings}
    assert (status["running.commands"], status["running.example"]) == ("pass", "pass")
    name = f"imagemill/conform:{found.digest[7:19]}"
    assert engine.said == [f"load {name}", f"forget {name}"]
    assert (found.layers, found.platform) == (2, "linux/amd64")


def test_an_image_of_the_same_platform_twice_is_told_apart(state: Path, tmp_path: Path) -> None:
    first = image(tmp_path)
    found = Layout(first)
    [one] = found.images()
    rewrite(first, lambda manifest: manifest.update(annotations={"a": "b"}))
    [other] = found.images()
    found.finish([one, other])
    result = conform("--as", "python3.13/serve", "--report", f"json={tmp_path / 'report.json'}", str(first))
    report = json.loads((tmp_path / "report.json").read_text())
    assert {row["image"] for row in report["images"]} == {f"{first}@{one.digest}", f"{first}@{other.digest}"}
    assert "Traceback" not in result.stderr
