"""Between an engine's own archive and an OCI image layout, both ways.

What comes out of Docker or buildah is brought to the factory's form first (`settle`): the same Dockerfile
built twice, or by two engines, then differs only where its content does.
"""

from __future__ import annotations

import io
import json
import mmap
import posixpath
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from imagemill import oci
from imagemill.assemble import compression, tarball
from imagemill.dockerfile import Instruction
from imagemill.engine.embedded import settings
from imagemill.errors import EngineError, LayoutError
from imagemill.filetree import Tree
from imagemill.tarwalk import walk

CONTAINERD_NAME = "io.containerd.image.name"  # what `docker load` of a containerd store names the image by

# The rest of an image configuration is the engine's own: ArgsEscaped, Hostname, null OnBuild, ...
_CONFIG_KEYS = {
    *("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal"),
    *("Healthcheck", "Shell", "OnBuild"),
}
_IDENTITY_LABEL = "io.buildah.version"


def docker_archive_to_layout(
    saved: Path, layout: Path, *, name: str, epoch: int, scratch: Path, steps: Sequence[Instruction] = ()
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
    source: Path, layout: Path, *, name: str, epoch: int, scratch: Path, steps: Sequence[Instruction] = ()
) -> oci.Descriptor:
    """Turn an OCI layout with one image, as buildah writes it, into a settled one at `layout`."""
    found = oci.Layout(source)
    [image] = found.images()
    manifest = found.read_json(image.digest)
    config = found.read_json(manifest["config"]["digest"])
    layers = (found.blob_path(layer["digest"]).open("rb") for layer in manifest["layers"])
    return settle(config, layers, layout, name=name, epoch=epoch, scratch=scratch, steps=steps)


def settle(
    config: Mapping[str, Any],
    layers: Iterable[IO[bytes]],
    layout: Path,
    *,
    name: str,
    epoch: int,
    scratch: Path,
    steps: Sequence[Instruction] = (),
) -> oci.Descriptor:
    """Write an image in the factory's form; returns the descriptor of its manifest.

    Layers are written anew in canonical form; what the build itself touched gets `epoch` (seconds since 1970)
    as its time, older times stay. A layer without entries (BuildKit's for a WORKDIR that is there) goes, as do those
    parts of the configuration that each engine words in its own way. The history is told from `steps`, the
    instructions that the image comes from; it is empty when the engine tells of others.
    """
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        blobs: list[oci.Blob | None] = []
        for number, stream in enumerate(layers):
            with stream:
                blobs.append(_settle_layer(stream, Path(folder, f"{number}.tar"), epoch))
        image = {
            "architecture": config["architecture"],
            "os": config["os"],
            "created": created,
            "config": _settle_config(config.get("config", {})),
            "history": _history(steps, config.get("history", []), blobs, created),
        }
        return oci.write_image(layout, image, [blob for blob in blobs if blob is not None], name)


def _settle_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that an image has, in the form of the embedded engine: with a PATH, and that first."""
    found = {key: value for key, value in config.items() if key in _CONFIG_KEYS and value}
    labels = {key: value for key, value in found.pop("Labels", {}).items() if key != _IDENTITY_LABEL}
    if labels:
        found["Labels"] = labels
    env = dict(line.partition("=")[::2] for line in found.pop("Env", ()))
    found["Env"] = [f"{key}={value}" for key, value in {"PATH": settings.PATH, **env}.items()]
    found["WorkingDir"] = posixpath.normpath(found.get("WorkingDir", "/"))
    return found


def _history(
    steps: Sequence[Instruction], told: Sequence[Mapping[str, Any]], blobs: Sequence[oci.Blob | None], created: str
) -> list[dict[str, Any]]:
    """A row an instruction, as the embedded engine writes them; none when the layers are not theirs.

    `told`, the engine's own history, says which of them made the layers. One that has other rows (a target of bake
    that continues another repeats its ARGs) is BuildKit's, which makes a layer, be it an empty one, of each of three.
    """
    if len(told) == len(steps):
        made = [not row.get("empty_layer") for row in told]
    else:
        made = [step.keyword in ("ADD", "COPY", "WORKDIR") for step in steps]
    if sum(made) != len(blobs):
        return []
    layers = iter(blobs)
    rows = []
    for step, makes in zip(steps, made, strict=True):
        row = {"created": created, "created_by": step.spelled}
        rows.append(row if makes and next(layers) is not None else {**row, "empty_layer": True})
    return rows


def _settle_layer(stream: IO[bytes], path: Path, epoch: int) -> oci.Blob | None:
    """Write a layer beside `path` in canonical form; None for one without entries."""
    with path.open("w+b") as file:
        file.writelines(compression.plain(stream, "what the engine saved"))
        file.flush()
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with data:
        tree = _settled(dict(walk(data, path)), epoch)
    if not tree:
        return None
    blob = tarball.write(tree, path.with_suffix(".tar.gz"), epoch=epoch)
    path.unlink()
    return blob


def _settled(tree: Tree, epoch: int) -> Tree:
    """Times no later than `epoch`; the first of a set of hard links is the file."""
    tree = {name: replace(entry, mtime=min(entry.mtime, epoch)) for name, entry in tree.items() if name}
    first: dict[str, str] = {}  # the path that holds the content -> the first path of its set
    for name in sorted(tree, key=lambda path: path.split("/")):  # the order that they are written in
        holder = tree[name].target if tree[name].kind == "hardlink" else name
        first.setdefault(holder, name)
    settled: Tree = {}
    for name, entry in tree.items():
        holder = entry.target if entry.kind == "hardlink" else name
        if first[holder] == name:
            settled[name] = tree.get(holder, entry)
        else:
            settled[name] = replace(entry, kind="hardlink", target=first[holder], content=b"")
    return settled


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
