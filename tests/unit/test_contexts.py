"""Build contexts on disk: what an engine needs, nothing copied that a link will do for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from imagemill import contexts
from imagemill.assemble import tarball
from imagemill.dist import Dist
from imagemill.errors import LockError
from imagemill.factory import Paths
from imagemill.filetree import Entry
from imagemill.layers import LayerStore, Made
from imagemill.load import load
from imagemill.mirrors import Mirrors
from imagemill.oci import Blob
from imagemill.plan import plan, select
from imagemill.progress import Silent
from imagemill.workshop import Workshop

ROOT = Path(__file__).parents[2]
IMAGES = select(plan(load(ROOT)), ["python3.13"])


def workshop(tmp_path: Path) -> Workshop:
    paths = Paths(ROOT, tmp_path / "state")
    return Workshop(paths, Dist(tmp_path / "dist"), Mirrors.discover({}), Silent(), {})


@pytest.fixture
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blob:
    """What the layer store has for every key."""
    blob = tarball.write({"a": Entry("file", content=b"x")}, tmp_path / "layer", epoch=1)
    monkeypatch.setattr(LayerStore, "get", lambda self, key: Made(blob, 7))
    return blob


def test_a_context_has_dockerfile_recipes_and_archives(layer: Blob, tmp_path: Path) -> None:
    [folder] = contexts.export(workshop(tmp_path), IMAGES, tmp_path / "out", ["linux/arm64"])
    archives = {f"{name}-arm64.tar" for name in IMAGES[0].layers}
    assert {path.name for path in folder.iterdir()} == {"Dockerfile", "layers.json", *archives}
    assert all((folder / name).samefile(layer.path) for name in archives)
    golden = ROOT / "tests" / "golden" / "python3.13-debian"
    assert (folder / "Dockerfile").read_bytes() == (golden / "Dockerfile").read_bytes()
    assert [row["name"] for row in json.loads((folder / "layers.json").read_bytes())] == list(IMAGES[0].layers)
    assert contexts.export(workshop(tmp_path), IMAGES, tmp_path / "out", ["linux/arm64"]) == [folder], "again"


def test_copies_where_links_are_not_to_be_had(layer: Blob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    contexts.link(tmp_path, {"x.tar": layer})
    assert (tmp_path / "x.tar").read_bytes() == layer.path.read_bytes()
    assert not (tmp_path / "x.tar").samefile(layer.path)


def test_ready_knows_platforms_and_the_newest_time(layer: Blob, tmp_path: Path) -> None:
    [one] = contexts.ready(workshop(tmp_path), IMAGES)
    assert sorted(one.contexts) == ["linux/amd64", "linux/arm64"]
    assert (one.epoch, one.image) == (7, IMAGES[0])
    assert contexts.ready(workshop(tmp_path), IMAGES, ["linux/riscv64"]) == []


def test_layers_must_have_been_made(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="was not made"):
        contexts.ready(workshop(tmp_path), IMAGES)
