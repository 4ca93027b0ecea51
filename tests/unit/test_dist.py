"""The record of what was built."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from imagemill.dist import Artifact, Built, Dist
from imagemill.errors import LayoutError
from imagemill.oci import Blob, Layout, sha256, write_image, write_index


@pytest.fixture
def made(tmp_path: Path) -> tuple[Dist, Artifact]:
    """A dist with one image on two platforms."""
    dist = Dist(tmp_path / "dist")
    layer = tmp_path / hashlib.sha256(b"x").hexdigest()
    layer.write_bytes(b"x")
    images, built = [], {}
    for arch in ("amd64", "arm64"):
        path = dist.layout("x-debian", arch)
        config: dict[str, object] = {"architecture": arch, "os": "linux", "config": {}}
        descriptor = write_image(path, config, [Blob(sha256(b"x"), sha256(b"t"), 1, layer)], "x")
        images.append((path, descriptor))
        config_digest = Layout(path).read_json(descriptor.digest)["config"]["digest"]
        built[f"linux/{arch}"] = Built(descriptor.digest, 1, config_digest)
    index = write_index(dist.index("x-debian"), images, "x")
    artifact = Artifact("x-debian", ("x-debian", "x"), index.digest, index.size, built, "0" * 64, "embedded", "exact")
    dist.write({artifact.name: artifact})
    return dist, artifact


def test_the_record_is_read_back(made: tuple[Dist, Artifact]) -> None:
    dist, artifact = made
    assert dist.read() == {"x-debian": artifact}
    assert dist.holds(artifact)


def test_nothing_built_is_no_error(tmp_path: Path) -> None:
    assert Dist(tmp_path).read() == {}


@pytest.mark.parametrize("text", ["", "{}", '{"images": {"x": {}}}', '{"images": 3}', "[]"])
def test_a_damaged_record_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "digests.json").write_text(text)
    with pytest.raises(LayoutError, match=r"digests\.json is damaged"):
        Dist(tmp_path).read()


LOSSES: dict[str, Callable[[Dist], object]] = {
    "the index": lambda d: shutil.rmtree(d.index("x-debian")),
    "one platform": lambda d: shutil.rmtree(d.layout("x-debian", "arm64")),
    "a layer": lambda d: Layout(d.layout("x-debian", "amd64")).blob_path(sha256(b"x")).unlink(),
    "index.json": lambda d: (d.index("x-debian") / "index.json").unlink(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_was_lost_is_not_there(name: str, made: tuple[Dist, Artifact]) -> None:
    dist, artifact = made
    LOSSES[name](dist)
    assert not dist.holds(artifact)
