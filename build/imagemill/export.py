"""Images as files for others: OCI layouts and archives, docker-archives, and what AWS Lambda takes.

Lambda takes one architecture in Docker's image manifest V2, schema 2 (AWS Lambda developer guide, "Requirements for
container images": no multi-architecture images, gzip layers): no index, no attestations, no zstd.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from imagemill import recompress
from imagemill.assemble.compression import GZIP
from imagemill.dist import Dist
from imagemill.engine import archive
from imagemill.errors import LayoutError, SelectionError
from imagemill.oci import REF_NAME, Descriptor, Layout, canonical
from imagemill.plan import Image
from imagemill.platforms import Platform

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def built(dist: Dist, image: Image, platform: Platform | None) -> Path:
    """The layout of a built image: of one platform, or of its index. SelectionError when it is not there."""
    artifact = dist.read().get(image.name)
    if artifact is None or (platform is not None and str(platform) not in artifact.platforms):
        where = f" for {platform}" if platform else ""
        raise SelectionError(f"{image.tags[-1]} is not built{where}", f"run `imagemill build {image.tags[-1]}` first")
    return dist.layout(image.name, platform.arch) if platform else dist.index(image.name)


def oci(source: Path, out: Path, names: Sequence[str]) -> Descriptor:
    """Write the layout at `source`, an index or one image, to `out`: a tar when that ends in .tar, else a directory.

    `names` are what the image is called in whatever loads it. Returns what the layout lists. LayoutError for one that
    is not whole.
    """
    layout = Layout(source)
    [entry] = layout.entries()
    blobs = _blobs(layout, entry)
    listed = [replace(entry, annotations={**entry.annotations, **_called(name)}) for name in names]
    with _appearing(out) as staging:
        if out.suffix == ".tar":
            _tar(layout, blobs, listed, staging)
        else:
            copy = Layout(staging)
            for digest in blobs:
                copy.link(layout.blob_path(digest), digest)
            copy.finish(listed)
    return entry


def docker(source: Path, out: Path, names: Sequence[str]) -> Descriptor:
    """Write the one image of the layout at `source` to `out` as the tar that `docker save` of old wrote."""
    [entry] = Layout(source).images()
    with _appearing(out) as staging, staging.open("wb") as file:
        archive.layouts_to_archive({source: names}, file, index=False)
    return entry


def for_lambda(source: Path, out: Path, names: Sequence[str], store: Path) -> Descriptor:
    """Write the one image of the layout at `source` to `out` as AWS Lambda takes it.

    `out` is a directory, a layout that lists a Docker manifest, or ends in .tar: then the same with what `docker load`
    and `podman load` want to know. `store` keeps layers in gzip where the image has others. Returns the descriptor
    of the manifest, which is the one that a registry will have.
    """
    with _appearing(out) as staging:
        folder = staging if out.suffix != ".tar" else staging.with_name(f"{staging.name}.layout")
        try:
            manifest = _docker_layout(Layout(source), Layout(folder), names, store)
            if folder != staging:
                with staging.open("wb") as file:
                    archive.layouts_to_archive({folder: names}, file)
        finally:
            if folder != staging:
                shutil.rmtree(folder, ignore_errors=True)
    return manifest


def _docker_layout(source: Layout, target: Layout, names: Sequence[str], store: Path) -> Descriptor:
    images = source.images()
    if len(images) != 1:
        raise LayoutError(f"{source.path} holds {len(images)} images", "name one with --platform")
    [image] = images
    manifest = source.read_json(image.digest)
    config = source.read_json(manifest["config"]["digest"])
    rows = []
    for blob in recompress.layers(source, manifest, config):
        packed = blob if blob.media_type == GZIP.media_type else recompress.layer(blob, GZIP, store)
        target.link(packed.path, packed.digest)
        rows.append(Descriptor(DOCKER_LAYER, packed.digest, packed.size).to_json())
    # Docker's configuration is what OCI's was made from: the same bytes serve as both
    written = target.add(DOCKER_CONFIG, source.read_blob(manifest["config"]["digest"]))
    data = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": written.to_json(), "layers": rows}
    made = target.add(DOCKER_MANIFEST, canonical(data))
    listed = replace(made, platform=image.platform)
    target.finish(replace(listed, annotations=_called(name)) for name in names)
    return listed


def _blobs(layout: Layout, entry: Descriptor) -> list[str]:
    """The digests of all blobs below an entry of index.json, itself first, each once."""
    found = [entry.digest]
    data: dict[str, Any] = layout.read_json(entry.digest)
    for row in data.get("manifests", ()):
        found += _blobs(layout, Descriptor.from_json(row))
    if "config" in data:
        found += [data["config"]["digest"], *(row["digest"] for row in data["layers"])]
    for digest in found:
        if not layout.blob_path(digest).is_file():
            raise LayoutError(f"{layout.path}: blob {digest} is missing", "build the image again")
    return list(dict.fromkeys(found))


def _called(name: str) -> dict[str, str]:
    """What loaders take a name from: the tag for OCI's tools, all of it for containerd."""
    home = name if "." in name.partition("/")[0] else f"docker.io/{name}"
    return {archive.CONTAINERD_NAME: home, REF_NAME: name.rpartition(":")[2]}


def _tar(layout: Layout, blobs: Sequence[str], listed: Sequence[Descriptor], out: Path) -> None:
    """A layout as a tar: the same bytes each time, small files first."""
    scratch = Layout(out.with_name(f"{out.name}.index"))
    scratch.path.mkdir()
    try:
        scratch.finish(listed)
        with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
            for name in ("oci-layout", "index.json"):
                _add(tar, scratch.path / name, name)
            for digest in blobs:
                _add(tar, layout.blob_path(digest), f"blobs/{digest.replace(':', '/')}")
    finally:
        shutil.rmtree(scratch.path)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    with path.open("rb") as file:
        tar.addfile(entry, file)


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A place beside `out` to write to, which becomes `out` when all went well, and is gone when not."""
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        yield staging
        if out.is_dir():
            shutil.rmtree(out)
        staging.replace(out)
    finally:
        if staging.is_dir():
            shutil.rmtree(staging)
        staging.unlink(missing_ok=True)
