"""Images as files for others: what is written is what the formats want, whole, and the same each time."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from imagemill import export, oci, recompress
from imagemill.assemble import tarball
from imagemill.assemble.compression import parse
from imagemill.cli import main
from imagemill.dist import Artifact, Built, Dist
from imagemill.errors import LayoutError
from imagemill.filetree import Entry
from imagemill.oci import Descriptor, Layout

ROOT = Path(__file__).parents[2]
NAMES = ["imagemill/lambda:x", "registry.example/x:1"]
TITLE = {"org.opencontainers.image.title": "x"}


def made(folder: Path, *, zstd: bool = False) -> tuple[Dist, Descriptor]:
    """A dist with one image for two platforms, of two layers, and the descriptor of its index."""
    dist = Dist(folder / "dist")
    images, built = [], {}
    for arch in ("amd64", "arm64"):
        blobs = [
            tarball.write({name: Entry("file", content=f"{name} {arch}".encode())}, folder / f"{name}-{arch}", epoch=1)
            for name in ("a", "b")
        ]
        path = dist.layout("python3.13-debian", arch)
        config = {"architecture": arch, "os": "linux", "created": "1970-01-01T00:00:01Z", "config": {"Labels": TITLE}}
        descriptor = oci.write_image(path, config, blobs, "x")
        if zstd:
            descriptor = recompress.image(path, parse("zstd:3"), folder / "store", "x")
        images.append((path, descriptor))
        built[f"linux/{arch}"] = Built(descriptor.digest, 1, "")
    index = oci.write_index(dist.index("python3.13-debian"), images, "x")
    tags = ("python3.13-debian", "python3.13")
    dist.write({"python3.13-debian": Artifact("python3.13-debian", tags, index.digest, 1, built, "", "", "exact")})
    return dist, index


def files(tar: Path) -> dict[str, bytes]:
    with tarfile.open(tar) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]


def unpacked(tar: Path, folder: Path) -> Layout:
    with tarfile.open(tar) as opened:
        opened.extractall(folder, filter="data")
    return Layout(folder)


@pytest.mark.parametrize("name", ["out.tar", "out"])
def test_a_layout_of_all_platforms(name: str, tmp_path: Path) -> None:
    dist, index = made(tmp_path)
    out = tmp_path / name
    assert export.oci(dist.index("python3.13-debian"), out, NAMES).digest == index.digest
    layout = unpacked(out, tmp_path / "read") if out.suffix else Layout(out)
    assert [entry.digest for entry in layout.entries()] == [index.digest] * 2
    assert [entry.annotations["io.containerd.image.name"] for entry in layout.entries()] == [
        "docker.io/imagemill/lambda:x",
        "registry.example/x:1",
    ]
    assert {image.platform for image in layout.images()} == {"linux/amd64", "linux/arm64"}
    for path in (layout.path / "blobs" / "sha256").iterdir():
        assert oci.sha256(path.read_bytes()) == f"sha256:{path.name}"
    assert len(list((layout.path / "blobs" / "sha256").iterdir())) == 1 + 2 * 4


def test_one_platform_as_a_docker_archive(tmp_path: Path) -> None:
    dist, _ = made(tmp_path)
    export.docker(dist.layout("python3.13-debian", "arm64"), tmp_path / "out.tar", NAMES)
    found = files(tmp_path / "out.tar")
    assert "index.json" not in found
    [row] = json.loads(found["manifest.json"])
    assert row["RepoTags"] == NAMES
    assert json.loads(found[row["Config"]])["architecture"] == "arm64"
    diff_ids = json.loads(found[row["Config"]])["rootfs"]["diff_ids"]
    assert [oci.sha256(gzip.decompress(found[layer])) for layer in row["Layers"]] == diff_ids


def lambda_manifest(layout: Layout) -> dict[str, Any]:
    """The one manifest of a layout made for Lambda, and all that Lambda asks of it."""
    [entry] = layout.entries()
    assert entry.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    manifest = layout.read_json(entry.digest)
    assert manifest.keys() == {"schemaVersion", "mediaType", "config", "layers"}
    assert manifest["mediaType"] == entry.media_type
    assert manifest["config"]["mediaType"] == "application/vnd.docker.container.image.v1+json"
    config = layout.read_json(manifest["config"]["digest"])
    for row, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        assert row["mediaType"] == "application/vnd.docker.image.rootfs.diff.tar.gzip"
        data = layout.read_blob(row["digest"])
        assert (len(data), oci.sha256(gzip.decompress(data))) == (row["size"], diff_id)
    return manifest


@pytest.mark.parametrize("zstd", [False, True], ids=["gzip", "zstd"])
def test_for_lambda(zstd: bool, tmp_path: Path) -> None:
    dist, _ = made(tmp_path, zstd=zstd)
    source = dist.layout("python3.13-debian", "arm64")
    first = export.for_lambda(source, tmp_path / "out", ["a:b"], tmp_path / "store")
    manifest = lambda_manifest(Layout(tmp_path / "out"))
    own = Layout(source).read_json(Layout(source).images()[0].digest)
    assert manifest["config"]["digest"] == own["config"]["digest"], "the same configuration, so the same image id"
    second = export.for_lambda(source, tmp_path / "out.tar", ["a:b"], tmp_path / "store")
    assert first == second
    found = files(tmp_path / "out.tar")
    assert [row["digest"] for row in json.loads(found["index.json"])["manifests"]] == [first.digest]
    assert json.loads(found["manifest.json"])[0]["RepoTags"] == ["a:b"]
    assert lambda_manifest(unpacked(tmp_path / "out.tar", tmp_path / "read")) == manifest
    assert sorted(path.name for path in tmp_path.glob(".out*")) == []


def test_lambda_takes_no_index(tmp_path: Path) -> None:
    dist, _ = made(tmp_path)
    with pytest.raises(LayoutError, match="holds 2 images"):
        export.for_lambda(dist.index("python3.13-debian"), tmp_path / "out", ["a:b"], tmp_path / "store")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("write", [export.oci, export.docker])
def test_the_same_bytes_each_time(write: Callable[[Path, Path, list[str]], object], tmp_path: Path) -> None:
    dist, _ = made(tmp_path)
    source = dist.layout("python3.13-debian", "amd64")
    for name in ("1.tar", "2.tar"):
        write(source, tmp_path / name, NAMES)
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


def test_a_layout_that_is_not_whole_gives_nothing(tmp_path: Path) -> None:
    dist, _ = made(tmp_path)
    source = dist.layout("python3.13-debian", "amd64")
    layer = Layout(source).read_json(Layout(source).images()[0].digest)["layers"][0]
    Layout(source).blob_path(layer["digest"]).unlink()
    (tmp_path / "out.tar").write_bytes(b"what was there")
    with pytest.raises(LayoutError, match="is missing"):
        export.oci(source, tmp_path / "out.tar", NAMES)
    assert (tmp_path / "out.tar").read_bytes() == b"what was there"


def call(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["--root", str(ROOT), "export", *args])
    return result.exit_code, result.stdout, result.stderr


def test_the_command(tmp_path: Path) -> None:
    dist, index = made(tmp_path)
    common = ["python3.13", "--dist", str(dist.path)]
    assert call(*common, "-o", str(tmp_path / "all")) == (0, f"{index.digest}\n", "")
    code, digest, _ = call(*common, "--platform", "arm64", "--for-lambda", "-o", str(tmp_path / "l.tar"))
    assert code == 0
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "l.tar").read_bytes())) as tar:
        assert f"blobs/{digest.strip().replace(':', '/')}" in tar.getnames()
    code, _, said = call(*common, "--format", "docker", "-o", str(tmp_path / "x"))
    assert (code, "writes a .tar" in said) == (2, True)
    code, _, said = call("nodejs24.x", "--dist", str(dist.path), "-o", str(tmp_path / "x"))
    assert (code, "nodejs24.x is not built" in said) == (12, True)
    code, _, said = call("*python*", "--dist", str(dist.path), "-o", str(tmp_path / "x"))
    assert (code, "images; name one" in said) == (2, True)
