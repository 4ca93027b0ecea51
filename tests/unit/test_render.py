"""Rendering: the committed render is the render, and drift of every kind is seen."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imagemill.dockerfile import KNOWN, parse
from imagemill.errors import RenderError
from imagemill.load import load
from imagemill.lock import DebianPackage, Inputs, Lock
from imagemill.plan import plan, select
from imagemill.platforms import PLATFORMS
from imagemill.render import Renderer, check, golden, write

ROOT = Path(__file__).parents[2]
IMAGES = plan(load(ROOT))
RENDERED = [Renderer(ROOT).render(image) for image in IMAGES]


def test_the_committed_render_is_up_to_date() -> None:
    assert check(ROOT / "tests" / "golden", golden(RENDERED)) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, golden(RENDERED))
    return tmp_path


def test_a_fresh_render_has_no_drift(folder: Path) -> None:
    assert check(folder, golden(RENDERED)) == []


def test_a_missing_file_is_seen(folder: Path) -> None:
    (folder / "python3.13-debian" / "Dockerfile").unlink()
    assert check(folder, golden(RENDERED)) == ["missing: python3.13-debian/Dockerfile"]


def test_a_stale_file_is_seen(folder: Path) -> None:
    with (folder / "python3.13-debian" / "Dockerfile").open("a") as file:
        file.write("USER root\n")
    assert check(folder, golden(RENDERED)) == ["stale: python3.13-debian/Dockerfile"]


def test_an_untracked_file_is_seen_and_removed(folder: Path) -> None:
    (folder / "old").mkdir()
    (folder / "old" / "Dockerfile").write_text("FROM scratch\n")
    assert check(folder, golden(RENDERED)) == ["untracked: old/Dockerfile"]
    write(folder, golden(RENDERED))
    assert not (folder / "old").exists()


def test_a_changed_template_drifts(checkout: Path) -> None:
    with (checkout / "templates" / "base.Dockerfile.j2").open("a") as file:
        file.write("STOPSIGNAL SIGTERM\n")
    changed = golden([Renderer(checkout).render(image) for image in IMAGES])
    assert check(ROOT / "tests" / "golden", changed) == sorted(f"stale: {image.name}/Dockerfile" for image in IMAGES)


def test_a_broken_template_is_named(checkout: Path) -> None:
    (checkout / "templates" / "run.Dockerfile.j2").write_text("{% extends 'base.Dockerfile.j2' %}{% block %}")
    with pytest.raises(RenderError, match=r"templates/run.Dockerfile.j2"):
        Renderer(checkout).render(IMAGES[0])


def test_a_file_that_is_not_there_is_named(checkout: Path) -> None:
    shutil.rmtree(checkout / "build" / "bootstraps" / "python")
    with pytest.raises(RenderError, match=r"build/bootstraps/python, which is missing"):
        Renderer(checkout).render(select(IMAGES, ["python3.13"])[0])


def test_rendering_twice_gives_the_same_bytes() -> None:
    assert golden([Renderer(ROOT).render(image) for image in IMAGES]) == golden(RENDERED)


@pytest.mark.parametrize("rendered", RENDERED, ids=lambda r: r.image.name)
def test_dockerfiles_need_no_run_and_name_no_architecture(rendered: object) -> None:
    text = rendered.dockerfile  # type: ignore[attr-defined]
    assert {instruction.keyword for instruction in parse(text)} <= KNOWN
    for platform in PLATFORMS.values():
        assert platform.arch not in text
        assert platform.machine not in text


def test_hadolint_passes_on_every_dockerfile(tmp_path: Path) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    files = sorted((ROOT / "tests" / "golden").rglob("Dockerfile"))
    assert len(files) == len(IMAGES)
    done = subprocess.run([hadolint, "--no-color", *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM scratch\nMAINTAINER me\n")
    assert subprocess.run([hadolint, bad], capture_output=True, check=False).returncode != 0


# --- the input hash ---------------------------------------------------------------------------------------

IMAGE = select(IMAGES, ["python3.13"])[0]


def package(name: str, version: str = "1") -> DebianPackage:
    return DebianPackage(name, version, "all", name, version, "debian", f"pool/{name}_{version}.deb", 1, version * 64)


def lock(**versions: str) -> Lock:
    """A lock with one package in each set."""
    names = ["debian-trixie", "debian-trixie/toolchain", "python3.13", "python3.13/build"]
    sets = {
        name: {
            arch: Inputs(debian=(package(name.replace("/", "-"), versions.get(arch, "1")),))
            for arch in ("amd64", "arm64")
        }
        for name in names
    }
    return Lock("debian-trixie", 0, {}, sets)


def test_equal_inputs_have_an_equal_hash() -> None:
    assert Renderer(ROOT).input_hash(Renderer(ROOT).render(IMAGE), lock()) == Renderer(ROOT).input_hash(
        Renderer(ROOT).render(IMAGE), lock()
    )


def test_run_and_serve_have_the_same_layers() -> None:
    renderer = Renderer(ROOT)
    keys = [
        [renderer.layer_hash(image, recipe, lock(), "amd64") for recipe in renderer.render(image).recipes]
        for image in select(IMAGES, ["python3.13", "serve-python3.13"])
    ]
    assert keys[0] == keys[1]
