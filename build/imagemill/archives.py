"""Images in one file: what `docker save`, `podman save` and `imagemill export` write, as layouts on disk.

An oci-archive is a layout as a tar. A docker-archive has a manifest.json and, in older ones, plain layers under names
of their own, some of them links to others. Either may be compressed. Nothing in an archive says where anything is
written: blobs get the names of their digests.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imagemill.conform.image import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST
from imagemill.errors import LayoutError
from imagemill.filetree import Entry, Slice
from imagemill.layerfacts import bounded
from imagemill.merged import MergedTree, merge
from imagemill.oci import Descriptor, Layout, canonical
from imagemill.spool import decompress

_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
_PLAIN_LAYER = DOCKER_LAYER.removesuffix(".gzip")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_LARGEST_JSON = 16 << 20
_REMEDY = "make it with docker save, podman save or imagemill export"


def to_layout(file: Path, out: Path) -> Path:
    """Make a layout at `out` of the images in an archive. Returns `out`. Raises LayoutError for anything else."""
    out.mkdir(parents=True, exist_ok=True)
    unpacked = _unpacked(file, out / "archive.tar")
    if not unpacked.stat().st_size:
        raise LayoutError(f"{file} is empty", _REMEDY)
    with unpacked.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        tree = merge([list(bounded(data, unpacked))], {unpacked: data})
        if tree.resolve("index.json") and tree.resolve("oci-layout") and not _only_docker(tree):
            _oci(tree, Layout(out))
        elif tree.resolve("manifest.json"):
            _docker(tree, Layout(out), file)
        else:
            raise LayoutError(f"{file} is neither an oci-archive nor a docker-archive", _REMEDY)
    if unpacked != file:
        unpacked.unlink()
    return out


def _unpacked(file: Path, out: Path) -> Path:
    """The tar itself: `file`, or what is compressed in it at `out`."""
    with file.open("rb") as source:
        if not source.read(4).startswith((_GZIP, _ZSTD)):
            return file
        source.seek(0)
        with out.open("wb", buffering=0) as sink:
            decompress(source, sink, file)
    return out


def _only_docker(tree: MergedTree) -> bool:
    """Whether index.json lists nothing, as some write it beside the manifest.json that counts."""
    data = _json(tree, "index.json")
    return tree.resolve("manifest.json") is not None and not (isinstance(data, dict) and data.get("manifests"))


def _oci(tree: MergedTree, layout: Layout) -> None:
    for key, entry in tree.entries.items():
        match = _BLOB.fullmatch(key)
        if match and entry.kind == "file":
            _write(tree, entry, layout.blob_path(f"sha256:{match[1]}"))
    (layout.path / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))
    (layout.path / "index.json").write_bytes(_read(tree, "index.json"))


def _docker(tree: MergedTree, layout: Layout, file: Path) -> None:
    rows = _json(tree, "manifest.json")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LayoutError(f"{file}: manifest.json is no list of images", _REMEDY)
    known: dict[str, Descriptor] = {}
    layout.finish([_image(tree, layout, row, known, file) for row in rows])


def _image(
    tree: MergedTree, layout: Layout, row: Mapping[str, Any], known: dict[str, Descriptor], file: Path
) -> Descriptor:
    """One row of manifest.json as a Docker manifest. `known` has the layers met so far, by their keys in the tar."""
    paths = row.get("Layers")
    if not isinstance(row.get("Config"), str) or not _texts(paths):
        raise LayoutError(f"{file}: manifest.json names no configuration or no layers", _REMEDY)
    settings = _read(tree, row["Config"])
    config = layout.add(DOCKER_CONFIG, settings)
    layers = [_layer(tree, layout, path, known, file) for path in paths or ()]
    data = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    platform = _json(tree, row["Config"])
    name = f"{platform.get('os')}/{platform.get('architecture')}" if isinstance(platform, dict) else ""
    return replace(layout.add(DOCKER_MANIFEST, canonical(data)), platform=name)


def _layer(tree: MergedTree, layout: Layout, path: str, known: dict[str, Descriptor], file: Path) -> Descriptor:
    key = tree.resolve(path)
    entry = tree.entries.get(key) if key else None
    if key is None or entry is None or entry.kind != "file":
        raise LayoutError(f"{file}: no layer {path[:200]!r} in it", _REMEDY)
    if key not in known:
        hashed = hashlib.sha256()
        for place in range(0, entry.size, _PIECE):
            hashed.update(tree.part(entry, place, _PIECE))
        digest = f"sha256:{hashed.hexdigest()}"
        _write(tree, entry, layout.blob_path(digest))
        begin = tree.part(entry, 0, 4)
        kind = f"{_PLAIN_LAYER}.zstd" if begin == _ZSTD else DOCKER_LAYER if begin[:2] == _GZIP else _PLAIN_LAYER
        known[key] = Descriptor(kind, digest, entry.size)
    return known[key]


_PIECE = 1 << 22


def _write(tree: MergedTree, entry: Entry, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for place in range(0, entry.size, _PIECE):
            file.write(tree.part(entry, place, _PIECE))


def _texts(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(word, str) for word in value)


def _read(tree: MergedTree, path: str) -> bytes:
    key = tree.resolve(path)
    entry = tree.entries.get(key) if key else None
    if entry is None or not isinstance(entry.content, Slice):
        raise LayoutError(f"the archive has no {path[:200]!r}", _REMEDY)
    if entry.size > _LARGEST_JSON:
        raise LayoutError(f"the archive's {path[:200]!r} has {entry.size} bytes", _REMEDY)
    return tree.part(entry, 0, entry.size)


def _json(tree: MergedTree, path: str) -> Any:
    try:
        return json.loads(_read(tree, path))
    except (ValueError, RecursionError):
        raise LayoutError(f"the archive's {path[:200]!r} is not JSON", _REMEDY) from None
