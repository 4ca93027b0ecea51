"""Between an engine's own archive and an OCI image layout, both ways.

What comes out of Docker or buildah is settled on the way: brought to the factory's form.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from imagemill import oci
from imagemill.engine.embedded.lineage import Step
from imagemill.engine.settling import settle
from imagemill.errors import EngineError, LayoutError

CONTAINERD_NAME = "io.containerd.image.name"  # what `docker load` of a containerd store names the image by


def docker_archive_to_layout(
    saved: Path, layout: Path, *, name: str, epoch: int, scratch: Path, steps: Sequence[Step] = ()
) -> oci.Descriptor:
    """Turn what `docker save` wrote into an OCI layout at `layout`, settled (see `settle`).

    The archive must hold one image. Docker up to 24 writes plain layers under names of their own, 25 and
    newer an OCI layout; both say in manifest.json where things lie.
    """
    with tarfile.open(saved) as tar:
        images = json.load(_member(tar, "manifest.json"))
        if len(images) != 1:
            raise EngineError(f"{saved}: {len(images)} images where one was saved", "build one image at a time")
        config = json.load(_member(tar, images[0]["Config"]))
        layers = (_member(tar, path) for path in images[0]["Layers"])
        return settle(config, layers, layout, name=name, epoch=epoch, scratch=scratch, steps=steps)


def oci_to_layout(
    source: Path, layout: Path, *, name: str, epoch: int, scratch: Path, steps: Sequence[Step] = ()
) -> oci.Descriptor:
    """Turn an OCI layout with one image, as buildah writes it, into a settled one at `layout`."""
    found = oci.Layout(source)
    [image] = found.images()
    manifest = found.read_json(image.digest)
    config = found.read_json(manifest["config"]["digest"])
    layers = (found.blob_path(layer["digest"]).open("rb") for layer in manifest["layers"])
    return settle(config, layers, layout, name=name, epoch=epoch, scratch=scratch, steps=steps)


def layouts_to_archive(images: Mapping[Path, Sequence[str]], out: IO[bytes], *, index: bool = True) -> None:
    """Write images to `out` as a tar that every `docker load` and `podman load` reads; a shared layer goes once.

    It is an OCI layout (Docker 25 and newer, containerd) and a docker-archive (older ones, podman) in one:
    both point at the same compressed blobs. `images` gives, for the layout of each one image, the names that it
    gets, like `imagemill/lambda:python3.13`. Without `index` it is a docker-archive alone.
    """
    listed: list[dict[str, Any]] = []
    archived: list[dict[str, Any]] = []
    blobs: dict[str, Path] = {}
    for layout, names in images.items():
        source = oci.Layout(layout)
        found = source.images()
        if len(found) != 1:
            raise LayoutError(f"{layout} holds {len(found)} images", "load the layout of one platform")
        [image] = found
        manifest = source.read_json(image.digest)
        config, layers = manifest["config"]["digest"], [row["digest"] for row in manifest["layers"]]
        for digest in (image.digest, config, *layers):
            blobs.setdefault(digest, source.blob_path(digest))
        listed += (replace(image, annotations=_named(name)).to_json() for name in names)
        archived.append(
            {"Config": _blob_name(config), "RepoTags": list(names), "Layers": [_blob_name(each) for each in layers]}
        )
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        if index:
            _add(tar, "oci-layout", oci.canonical({"imageLayoutVersion": "1.0.0"}))
            _add(tar, "index.json", oci.canonical({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": listed}))
        _add(tar, "manifest.json", oci.canonical(archived))
        for digest, path in blobs.items():
            entry = tarfile.TarInfo(_blob_name(digest))
            entry.size = path.stat().st_size
            with path.open("rb") as blob:
                tar.addfile(entry, blob)


def _named(name: str) -> dict[str, str]:
    return {CONTAINERD_NAME: f"docker.io/{name}", oci.REF_NAME: name.rpartition(":")[2]}


def _blob_name(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    try:
        stream = tar.extractfile(name)
    except KeyError:
        stream = None
    if stream is None:
        raise EngineError(f"{tar.name!r}: no {name} in what the engine saved", "build the image again")
    return stream
