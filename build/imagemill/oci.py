"""OCI image layouts: descriptors, blobs, manifests and indexes on disk.

Source of every field: OCI Image Format Specification 1.1 (image-layout, manifest, image-index, config).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imagemill.errors import LayoutError
from imagemill.history import told

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
ANNOTATION = "org.opencontainers.image."
REF_NAME = f"{ANNOTATION}ref.name"
REVISION = f"{ANNOTATION}revision"


@dataclass(frozen=True)
class Blob:
    """A compressed layer on disk: `digest` of the file, `diff_id` of the tar in it, both `sha256:<hex>`."""

    digest: str
    diff_id: str
    size: int
    path: Path
    media_type: str = LAYER_GZIP


@dataclass(frozen=True)
class Descriptor:
    """What points at a blob."""

    media_type: str
    digest: str
    size: int
    platform: str = ""  # "linux/amd64"; empty where it says nothing
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""  # of what refers to an image: which kind of signature or attestation it is

    def to_json(self) -> dict[str, Any]:
        """The descriptor as the specification spells it."""
        data: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.platform:
            system, _, arch = self.platform.partition("/")
            data["platform"] = {"architecture": arch, "os": system}
        if self.annotations:
            data["annotations"] = dict(sorted(self.annotations.items()))
        if self.artifact_type:
            data["artifactType"] = self.artifact_type
        return data

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Descriptor:
        """Read a descriptor; unknown fields are left out."""
        place = data.get("platform") or {}
        name = f"{place['os']}/{place['architecture']}" if place else ""
        notes, kind = dict(data.get("annotations") or {}), data.get("artifactType") or ""
        return Descriptor(data["mediaType"], data["digest"], data["size"], name, notes, kind)


def canonical(data: object) -> bytes:
    """JSON in one spelling, so that equal content has an equal digest."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data: bytes) -> str:
    """The digest of `data` as OCI spells it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    """An OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/sha256`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def blob_path(self, digest: str) -> Path:
        """Where the blob with this digest lies."""
        algorithm, _, value = digest.partition(":")
        return self.path / "blobs" / algorithm / value

    def read_blob(self, digest: str) -> bytes:
        """The bytes of a (small) blob, verified against its digest."""
        try:
            data = self.blob_path(digest).read_bytes()
        except FileNotFoundError:
            raise LayoutError(f"{self.path}: blob {digest} is missing", "build the image again") from None
        if sha256(data) != digest:
            raise LayoutError(f"{self.path}: blob {digest} is damaged", "build the image again")
        return data

    def read_json(self, digest: str) -> dict[str, Any]:
        """A blob as JSON."""
        data = json.loads(self.read_blob(digest))
        if not isinstance(data, dict):
            raise LayoutError(f"{self.path}: blob {digest} is not a JSON object", "build the image again")
        return data

    def entries(self) -> list[Descriptor]:
        """What index.json lists."""
        try:
            data = json.loads((self.path / "index.json").read_bytes())
        except FileNotFoundError:
            raise LayoutError(f"{self.path} is not an OCI layout: no index.json", "build the image first") from None
        except ValueError as error:
            raise LayoutError(f"{self.path}/index.json: {error}", "build the image again") from None
        return [Descriptor.from_json(row) for row in data["manifests"]]

    def images(self) -> list[Descriptor]:
        """The image manifests of the layout, those inside an index too, with their platforms."""
        found: list[Descriptor] = []
        for entry in self.entries():
            if entry.media_type == INDEX:
                found += [Descriptor.from_json(row) for row in self.read_json(entry.digest)["manifests"]]
            elif entry.platform:
                found.append(entry)
            else:
                config = self.read_json(self.read_json(entry.digest)["config"]["digest"])
                name = f"{config['os']}/{config['architecture']}"
                found.append(Descriptor(entry.media_type, entry.digest, entry.size, name))
        return found

    def add(self, media_type: str, data: bytes) -> Descriptor:
        """Write a small blob."""
        descriptor = Descriptor(media_type, sha256(data), len(data))
        path = self.blob_path(descriptor.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(data)
        return descriptor

    def link(self, source: Path, digest: str) -> None:
        """Have a blob that lies elsewhere on disk: a hard link where possible, else a copy."""
        path = self.blob_path(digest)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, path)
        except OSError:
            import shutil  # takes a while, and who only reads goes without

            shutil.copyfile(source, path)

    def finish(self, descriptors: Iterable[Descriptor]) -> None:
        """Write `oci-layout` and `index.json`: from here on the layout is one."""
        (self.path / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))
        (self.path / "index.json").write_bytes(_listing(descriptors))


def about(config: Mapping[str, Any]) -> dict[str, str]:
    """What the manifest of an image says of it: OCI's own among its labels, and when it was made.

    Not the revision that was checked out: it differs between builds of equal inputs, and then so would every digest
    below the manifest's, and signatures and caches with them. Where it stands is in the layout (see `note`), which
    has no digest.
    """
    labels = (config.get("config") or {}).get("Labels") or {}
    found = {name: value for name, value in labels.items() if name.startswith(ANNOTATION)}
    if config.get("created"):
        found[f"{ANNOTATION}created"] = config["created"]
    return dict(sorted(found.items()))


def write_image(path: Path, config: Mapping[str, Any], layers: Iterable[Blob], name: str) -> Descriptor:
    """Write a layout with one image; an existing directory is replaced only once the new one is whole.

    `config` is the image configuration without `rootfs`; the diff ids come from `layers`. Its history gets a comment
    a step, and its manifest the annotations that it has labels for. Returns the descriptor of the manifest, with
    its platform.
    """
    layers = list(layers)
    staging = _staging(path)
    layout = Layout(staging)
    full = {**config, "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}}
    if "history" in config:
        full["history"] = [told(row) for row in config["history"]]
    config_descriptor = layout.add(CONFIG, canonical(full))
    for layer in layers:
        layout.link(layer.path, layer.digest)
    data: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config_descriptor.to_json(),
        "layers": [Descriptor(layer.media_type, layer.digest, layer.size).to_json() for layer in layers],
    }
    if notes := about(config):
        data["annotations"] = notes
    manifest = layout.add(MANIFEST, canonical(data))
    platform = f"{config['os']}/{config['architecture']}"
    listed = Descriptor(manifest.media_type, manifest.digest, manifest.size, platform, {REF_NAME: name})
    layout.finish([listed])
    _replace(staging, path)
    return Descriptor(manifest.media_type, manifest.digest, manifest.size, platform)


def write_index(path: Path, images: Iterable[tuple[Path, Descriptor]], name: str) -> Descriptor:
    """Write a layout whose one entry is an index over `images` (their layouts and descriptors).

    The index is sorted by platform, so it does not depend on who was built first. It has those annotations that
    all its images have.
    """
    ordered = sorted(images, key=lambda image: image[1].platform)
    staging = _staging(path)
    layout = Layout(staging)
    for source, _ in ordered:
        for blob in sorted((source / "blobs" / "sha256").iterdir()):
            layout.link(blob, f"sha256:{blob.name}")
    data: dict[str, Any] = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [d.to_json() for _, d in ordered]}
    if notes := _common(layout.read_json(d.digest).get("annotations") or {} for _, d in ordered):
        data["annotations"] = notes
    index = layout.add(INDEX, canonical(data))
    layout.finish([Descriptor(index.media_type, index.digest, index.size, "", {REF_NAME: name})])
    _replace(staging, path)
    return index


def note(path: Path, notes: Mapping[str, str]) -> None:
    """Add annotations to what index.json lists: they are about the layout, and change no digest."""
    layout = Layout(path)
    rows = [replace(entry, annotations={**entry.annotations, **notes}) for entry in layout.entries()]
    staging = path / f".index.json.{os.getpid()}"
    staging.write_bytes(_listing(rows))
    staging.replace(path / "index.json")


def _common(found: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The pairs that all of these have."""
    first, *others = found
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}


def _listing(descriptors: Iterable[Descriptor]) -> bytes:
    rows = [descriptor.to_json() for descriptor in descriptors]
    return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows})


def _staging(path: Path) -> Path:
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    _remove(staging)
    staging.mkdir(parents=True)
    return staging


def _replace(staging: Path, path: Path) -> None:
    _remove(path)
    staging.rename(path)


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
