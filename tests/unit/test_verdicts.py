"""Findings that are kept: for the same bytes, held against the same things, on the same day, and never a failure."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conform_images import IMAGES, ROOT
from msgspec import structs

from imagemill.conform import Finding
from imagemill.plan import Image
from imagemill.verdicts import Verdicts

PASS = Finding("a", "linux/amd64", "x.y", "pass", "so", "so \udce9", "s")
SKIP = structs.replace(PASS, status="skip")
FAIL = structs.replace(PASS, status="fail")
DAY = 86_400
IMAGE = IMAGES["python3.13-debian"]


@pytest.fixture
def verdicts(tmp_path: Path) -> Verdicts:
    """On a checkout to spoil."""
    for name in ("runtimes", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "build" / "imagemill" / "conform", tmp_path / "package" / "conform")
    shutil.copytree(ROOT / "build" / "imagemill" / "facts", tmp_path / "package" / "facts")
    return Verdicts(tmp_path / "kept", tmp_path / "package", tmp_path, 100 * DAY)


def key(
    verdicts: Verdicts,
    image: Image = IMAGE,
    platform: str = "linux/amd64",
    digest: str = "sha256:1",
    label: str = "x",
    engine: str = "podman",
) -> str:
    fresh = replace(verdicts)  # which has hashed nothing yet
    return fresh.key(image, platform, digest, labels={"l": label}, engine=engine)


def test_what_was_found_is_found_again(verdicts: Verdicts) -> None:
    assert verdicts.read(key(verdicts)) is None
    verdicts.write(key(verdicts), [PASS, SKIP])
    assert verdicts.read(key(verdicts)) == [PASS, SKIP]


def test_a_failure_is_looked_at_again(verdicts: Verdicts) -> None:
    verdicts.write(key(verdicts), [PASS, FAIL])
    assert verdicts.read(key(verdicts)) is None


def append(path: str) -> Callable[[Verdicts], None]:
    def change(verdicts: Verdicts) -> None:
        [file] = verdicts.root.glob(path)
        file.write_bytes(file.read_bytes() + b"\n")

    return change


CHANGES = {
    "the manifest": append("runtimes/python3.13.yaml"),
    "the base": append("runtimes/bases/debian-trixie.yaml"),
    "the lock": append("runtimes/lock/debian-trixie.json"),
    "a check": append("package/conform/files.py"),
    "a fact": append("package/facts/filesystem.yaml"),
    "an example": append("examples/python/app.py"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_an_image_is_held_against_counts(case: str, verdicts: Verdicts) -> None:
    before = key(verdicts)
    CHANGES[case](verdicts)
    assert key(verdicts) != before


def test_another_manifest_does_not_count(verdicts: Verdicts) -> None:
    before = key(verdicts)
    append("runtimes/nodejs24.x.yaml")(verdicts)
    assert key(verdicts) == before


def test_the_image_itself_counts(verdicts: Verdicts) -> None:
    keys = [
        key(verdicts),
        key(verdicts, image=IMAGES["serve-python3.13-debian"]),
        key(verdicts, platform="linux/arm64"),
        key(verdicts, digest="sha256:2"),
        key(verdicts, label="y"),
        key(verdicts, engine=""),
    ]
    assert len(set(keys)) == len(keys)


def test_the_next_day_begins_anew(verdicts: Verdicts) -> None:
    verdicts.write(key(verdicts), [PASS])
    tomorrow = replace(verdicts, time=verdicts.time + DAY)
    assert key(tomorrow) != key(verdicts)
    assert tomorrow.read(key(verdicts)) is None
    tomorrow.write(key(tomorrow), [PASS])
    assert len(list(verdicts.folder.rglob("*.json"))) == 1


@pytest.mark.parametrize("text", ["", "[{}]", "[1]", "{"])
def test_a_damaged_file_is_as_none(text: str, verdicts: Verdicts) -> None:
    verdicts.write("k", [PASS])
    [file] = verdicts.folder.rglob("*.json")
    file.write_text(text)
    assert verdicts.read("k") is None
