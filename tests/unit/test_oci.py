"""OCI layouts: what is written is read back, damage is seen, order does not matter."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from imagemill.errors import LayoutError
from imagemill.oci import INDEX, REVISION, Blob, Descriptor, Layout, note, sha256, write_image, write_index


def blob(folder: Path, content: bytes = b"layer") -> Blob:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    return Blob(sha256(content), sha256(b"tar of " + content), len(content), path)


def image(folder: Path, arch: str, *contents: bytes) -> tuple[Path, Descriptor]:
    layers = [blob(folder / "blobs-elsewhere", content) for content in contents or (b"layer",)]
    config = {"architecture": arch, "os": "linux", "config": {}}
    return folder / arch, write_image(folder / arch, config, layers, "x")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path, descriptor = image(tmp_path, "arm64", b"one", b"two")
    layout = Layout(path)
    [entry] = layout.entries()
    manifest = layout.read_json(descriptor.digest)
    config = layout.read_json(manifest["config"]["digest"])
    assert (entry.digest, entry.platform) == (descriptor.digest, "linux/arm64")
    assert [layer["digest"] for layer in manifest["layers"]] == [sha256(b"one"), sha256(b"two")]
    assert config["rootfs"]["diff_ids"] == [sha256(b"tar of one"), sha256(b"tar of two")]
    assert layout.read_blob(sha256(b"one")) == b"one"
    assert json.loads((path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}


def test_the_same_image_has_the_same_digest_anywhere(tmp_path: Path) -> None:
    assert image(tmp_path / "a", "amd64")[1] == image(tmp_path / "b", "amd64")[1]


def test_an_index_is_sorted_by_platform(tmp_path: Path) -> None:
    images = [image(tmp_path, arch, arch.encode()) for arch in ("arm64", "amd64")]
    first = write_index(tmp_path / "one", images, "x")
    second = write_index(tmp_path / "two", reversed(images), "x")
    assert first == second
    layout = Layout(tmp_path / "one")
    assert [d.platform for d in layout.images()] == ["linux/amd64", "linux/arm64"]
    assert [d.media_type for d in layout.entries()] == [INDEX]
    assert layout.read_blob(sha256(b"arm64")) == b"arm64"


def test_a_layout_is_replaced_whole(tmp_path: Path) -> None:
    image(tmp_path, "amd64", b"old")
    path, _ = image(tmp_path, "amd64", b"new")
    assert not Layout(path).blob_path(sha256(b"old")).exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["amd64", "blobs-elsewhere"]


def test_blobs_are_shared_on_disk(tmp_path: Path) -> None:
    path, _ = image(tmp_path, "amd64")
    assert Layout(path).blob_path(sha256(b"layer")).stat().st_nlink == 2


def described(folder: Path, arch: str, **labels: str) -> tuple[Path, Descriptor]:
    """An image that says of itself what OCI has names for, and something else."""
    names = {f"org.opencontainers.image.{key}": value for key, value in labels.items()}
    config = {
        "architecture": arch,
        "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "config": {"Labels": {**names, "io.imagemill.variant": "run"}},
        "history": [{"created_by": "WORKDIR /x", "empty_layer": True}],
    }
    return folder / arch, write_image(folder / arch, config, [], "x")


def test_annotations_say_what_labels_say(tmp_path: Path) -> None:
    path, descriptor = described(tmp_path, "amd64", title="t", version="3.13")
    manifest = Layout(path).read_json(descriptor.digest)
    assert manifest["annotations"] == {
        "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
        "org.opencontainers.image.title": "t",
        "org.opencontainers.image.version": "3.13",
    }
    [row] = Layout(path).read_json(manifest["config"]["digest"])["history"]
    assert row == {"created_by": "WORKDIR /x", "empty_layer": True, "comment": "processes start in /x"}


def test_an_index_has_the_annotations_that_its_images_share(tmp_path: Path) -> None:
    images = [described(tmp_path, arch, title="t", description=arch) for arch in ("amd64", "arm64")]
    index = write_index(tmp_path / "index", images, "x")
    assert Layout(tmp_path / "index").read_json(index.digest)["annotations"] == {
        "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
        "org.opencontainers.image.title": "t",
    }


def test_a_revision_is_noted_without_a_change_of_digests(tmp_path: Path) -> None:
    images = [described(tmp_path, arch, title="t") for arch in ("amd64", "arm64")]
    index = write_index(tmp_path / "index", images, "x")
    for revision in ("abc", "def"):
        note(tmp_path / "index", {REVISION: revision})
        [entry] = Layout(tmp_path / "index").entries()
        assert (entry.digest, entry.size) == (index.digest, index.size)
        assert entry.annotations == {"org.opencontainers.image.ref.name": "x", REVISION: revision}
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_damage_is_seen(tmp_path: Path) -> None:
    path, descriptor = image(tmp_path, "amd64")
    file = Layout(path).blob_path(descriptor.digest)
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(LayoutError, match="is damaged"):
        Layout(path).read_blob(descriptor.digest)
    file.unlink()
    with pytest.raises(LayoutError, match="is missing"):
        Layout(path).read_blob(descriptor.digest)


@pytest.mark.parametrize(("content", "problem"), [(None, "no index.json"), ("{", "index.json")])
def test_what_is_no_layout_is_an_error(content: str | None, problem: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "index.json").write_text(content)
    with pytest.raises(LayoutError, match=problem):
        Layout(tmp_path).entries()
