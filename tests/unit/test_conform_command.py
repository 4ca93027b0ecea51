"""`imagemill conform` and `imagemill report`: the exit code, and the files that are left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conform_images import IMAGES, ROOT
from judged_images import good_layout

from imagemill.cli import main
from imagemill.dist import Artifact, Built, Dist
from imagemill.filetree import Entry, Tree
from imagemill.oci import Layout
from imagemill.platforms import PLATFORMS
from imagemill.reports import Behaviour, behaviours

NAME = "python3.13-debian"


def built(folder: Path, spoil: Tree | None = None) -> Dist:
    """A dist with a hand-made image for two platforms; what is in `spoil` is laid over its tree for arm64."""
    image = IMAGES[NAME]
    dist = Dist(folder / "dist")
    platforms = {}
    for platform in (PLATFORMS["linux/amd64"], PLATFORMS["linux/arm64"]):
        layout = dist.layout(NAME, platform.arch)
        layout.parent.mkdir(exist_ok=True)
        good_layout(folder / platform.arch, image, platform, spoil if platform.arch == "arm64" else None).rename(layout)
        [entry] = Layout(layout).images()
        platforms[str(platform)] = Built(entry.digest, 1, "sha256:0")
    dist.write({NAME: Artifact(NAME, image.tags, "sha256:0", 1, platforms, "", "embedded", "exact")})
    return dist


def conform(dist: Dist, *args: str, **env: str) -> Any:
    state = {"IMAGEMILL_STATE": str(dist.path.parent / "state"), "SOURCE_DATE_EPOCH": "1700000000", **env}
    command = ["--root", str(ROOT), "conform", "--no-run", "--dist", str(dist.path), "--jobs", "1", *args, NAME]
    return CliRunner().invoke(main, command, env=state)


BROKEN: Tree = {"tmp": Entry("dir", 0o755)}


def test_an_image_that_fails_is_told_by_the_exit_code(tmp_path: Path) -> None:
    good = conform(built(tmp_path))
    assert good.exit_code == 0, good.output
    (tmp_path / "broken").mkdir()
    broken = conform(built(tmp_path / "broken", BROKEN))
    assert broken.exit_code == 1, broken.output
    assert f"FAIL {NAME} linux/arm64 paths.contract" in broken.stderr
    assert broken.stdout == ""


def test_every_format_is_written_at_once(tmp_path: Path) -> None:
    files = {form: tmp_path / "out" / f"report.{form}" for form in ("table", "json", "junit", "markdown", "html")}
    done = conform(built(tmp_path), *(word for form, file in files.items() for word in ("--report", f"{form}={file}")))
    assert done.exit_code == 0, done.output
    data = json.loads(files["json"].read_text())
    assert data["time"] == "2023-11-14T22:13:20Z" and data["engine"] == "" and not data["failed"]
    assert [image["platform"] for image in data["images"]] == ["linux/amd64", "linux/arm64"]
    assert all(image["size"] > 0 and image["layers"] == 1 for image in data["images"])
    assert files["html"].read_text().startswith("<!DOCTYPE html>")
    assert "## Conformance: passed" in files["markdown"].read_text()
    again = CliRunner().invoke(main, ["report", str(files["json"]), "--report", "html=-"])
    assert (again.exit_code, again.stdout) == (0, files["html"].read_text())
    shown = CliRunner().invoke(main, ["report", str(files["json"])])
    assert "2 images" in shown.stdout


def test_a_function_that_misbehaves_in_these_images_fails_them(tmp_path: Path) -> None:
    dist = built(tmp_path)
    digest = dist.read()[NAME].platforms["linux/amd64"].digest
    row = Behaviour("python3.13", NAME, "linux/amd64", digest, "slow", "fail", "it never ended")
    behaviours.write(dist.behaviours, [row])
    done = conform(dist)
    assert done.exit_code == 1
    assert "it never ended" in done.stderr
    old = Behaviour("python3.13", NAME, "linux/amd64", "sha256:1", "slow", "fail", "it never ended")
    behaviours.write(dist.behaviours, [old])
    assert conform(dist).exit_code == 0, "that was another image"


@pytest.mark.parametrize("wrong", ["pdf=x", "html", "html="])
def test_a_report_that_cannot_be_written_is_told_first(wrong: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--root", str(ROOT), "conform", "--report", wrong])
    assert done.exit_code == 2
    assert "FORMAT being one of table, json, junit, markdown, html" in " ".join(done.stderr.split())


def without_varying(file: Path) -> Any:
    data = json.loads(file.read_text())
    data.pop("time")
    return data, [image.pop("cached") for image in data["images"]]


def test_what_was_judged_today_is_not_judged_again(tmp_path: Path) -> None:
    dist = built(tmp_path)
    report = tmp_path / "report.json"
    wanted = ("--report", f"json={report}")
    first = conform(dist, *wanted)
    assert first.exit_code == 0 and "cached" not in first.stderr
    data, cached = without_varying(report)
    assert cached == [False, False]
    again = conform(dist, *wanted)
    assert again.exit_code == 0 and again.stderr.count("cached") == 2
    assert without_varying(report) == (data, [True, True])
    assert "cached" not in conform(dist, "--no-cache").stderr


def test_a_failure_is_never_cached(tmp_path: Path) -> None:
    dist = built(tmp_path, BROKEN)
    for _ in range(2):
        done = conform(dist)
        assert done.exit_code == 1
        assert "FAIL" in done.stderr
    assert done.stderr.count("cached") == 1, "the other platform passed"


def test_images_judged_side_by_side_give_the_same_report(tmp_path: Path) -> None:
    dist = built(tmp_path, BROKEN)
    reports = []
    for jobs in ("1", "2"):
        file = tmp_path / f"{jobs}.json"
        done = conform(dist, "--no-cache", "--jobs", jobs, "--report", f"json={file}")
        assert done.exit_code == 1, done.output
        reports.append(file.read_text())
    assert reports[0] == reports[1]
