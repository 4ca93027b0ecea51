"""The images of an OCI layout, whoever wrote it: OCI's and Docker's media types, indexes in indexes, nothing trusted.

Every mistake of a layout is a LayoutError that names the blob. Sources: OCI Image Format Specification 1.1; Docker's
image manifest V2, schema 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from imagemill.errors import LayoutError
from imagemill.oci import CONFIG, INDEX, LAYER_GZIP, LAYER_ZSTD, MANIFEST, Layout

_DOCKER = "application/vnd.docker."
DOCKER_LIST = f"{_DOCKER}distribution.manifest.list.v2+json"
DOCKER_MANIFEST = f"{_DOCKER}distribution.manifest.v2+json"
DOCKER_CONFIG = f"{_DOCKER}container.image.v1+json"
DOCKER_LAYER = f"{_DOCKER}image.rootfs.diff.tar.gzip"
LAYER = "application/vnd.oci.image.layer.v1.tar"

KINDS: Mapping[str, tuple[str, frozenset[str]]] = {
    MANIFEST: (CONFIG, frozenset({LAYER, LAYER_GZIP, LAYER_ZSTD})),
    DOCKER_MANIFEST: (
        DOCKER_CONFIG,
        frozenset({DOCKER_LAYER, f"{_DOCKER}image.rootfs.diff.tar", f"{_DOCKER}image.rootfs.diff.tar.zstd"}),
    ),
}
"""What a manifest of each kind has: the media type of its configuration, and those of its layers."""

_INDEXES = (INDEX, DOCKER_LIST)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_DEEPEST = 4  # indexes in indexes; nobody writes more than one in another
_MOST = 1000  # images of one layout
_LARGEST = 16 << 20  # bytes of a manifest or configuration; registries take 4 MiB
_REMEDY = "it is damaged, or no image: get it again from where it came"


class Part(Struct, frozen=True):
    """A blob as a manifest names it; `size` is what the manifest says."""

    media_type: str
    digest: str
    size: int


class Manifest(Struct, frozen=True):
    """One image for one platform, as it is stored. `settings` is its configuration file."""

    digest: str
    media_type: str
    platform: str
    config: Part
    settings: Mapping[str, Any]
    layers: tuple[Part, ...]

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the layers' tars, as the configuration has them."""
        return tuple(map(str, (self.settings.get("rootfs") or {}).get("diff_ids") or ()))


def images(path: Path) -> list[Manifest]:
    """Every image in the layout at `path`: attestations and other artifacts are none. Raises LayoutError."""
    layout = Layout(path)
    try:
        listed = layout.entries()
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LayoutError(f"{path}/index.json lists no manifests: {error!r}", _REMEDY) from None
    found: dict[str, Manifest] = {}
    seen: set[str] = set()
    for entry in listed:
        for manifest in _below(layout, Part(entry.media_type, entry.digest, entry.size), (), seen):
            found[manifest.digest] = manifest
            if len(found) > _MOST:
                raise LayoutError(f"{path}: more than {_MOST} images", "name one of them")
    return list(found.values())


def digest_of(text: object, where: str) -> str:
    """A digest, seen to be one: it becomes the name of a file. Raises LayoutError."""
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise LayoutError(f"{where}: {str(text)[:100]!r} is no SHA-256 digest", _REMEDY)
    return text


def _below(layout: Layout, part: Part, above: tuple[str, ...], seen: set[str]) -> Iterator[Manifest]:
    """The image that a blob is, or those of an index. `above` are the digests of the indexes that led here.

    What was `seen` already is passed over: a few indexes that list each other many times would never end.
    """
    digest = digest_of(part.digest, str(layout.path))
    if digest in above:
        raise LayoutError(f"{layout.path}: index {digest} lists itself", _REMEDY)
    if len(above) > _DEEPEST:
        raise LayoutError(f"{layout.path}: more than {_DEEPEST} indexes in each other, down to {digest}", _REMEDY)
    if digest in seen:
        return
    seen.add(digest)
    data = _json(layout, digest)
    # what a blob is, it says itself; a descriptor only repeats it, and Docker's own lists leave it out
    kind = str(data.get("mediaType") or part.media_type)
    if kind in _INDEXES:
        for row in _rows(data, "manifests", f"{layout.path}: index {digest}"):
            yield from _below(layout, row, (*above, digest), seen)
    elif kind not in KINDS:
        if not above and kind == part.media_type:
            raise LayoutError(f"{layout.path}: {digest} is of the unknown media type {kind!r}", _REMEDY)
        # an artifact beside the images of an index
    elif not _is_attestation(data):
        yield _manifest(layout, digest, kind, data)


def _manifest(layout: Layout, digest: str, kind: str, data: Mapping[str, Any]) -> Manifest:
    where = f"{layout.path}: manifest {digest}"
    [config] = _rows({"config": [data.get("config")]}, "config", where)
    settings = _json(layout, digest_of(config.digest, where))
    for key, expected in (("rootfs", dict), ("config", dict), ("os", str), ("architecture", str)):
        if settings.get(key) is not None and not isinstance(settings[key], expected):
            raise LayoutError(f"{layout.path}: configuration {config.digest}: {key} is no {expected.__name__}", _REMEDY)
    platform = f"{settings.get('os', '')}/{settings.get('architecture', '')}"
    return Manifest(digest, kind, platform, config, settings, tuple(_rows(data, "layers", where)))


def _is_attestation(data: Mapping[str, Any]) -> bool:
    """Whether a manifest is BuildKit's for provenance: layers of in-toto statements, for no platform."""
    rows = data.get("layers")
    return isinstance(rows, list) and any(
        isinstance(row, dict) and "in-toto" in str(row.get("mediaType")) for row in rows
    )


def _rows(data: Mapping[str, Any], key: str, where: str) -> list[Part]:
    rows = data.get(key)
    if not isinstance(rows, list):
        raise LayoutError(f"{where} has no list of {key}", _REMEDY)
    found = []
    for row in rows:
        size = row.get("size") if isinstance(row, dict) else None
        if not isinstance(size, int) or size < 0:
            raise LayoutError(f"{where}: an entry of {key} is no descriptor", _REMEDY)
        found.append(Part(str(row.get("mediaType")), digest_of(row.get("digest"), where), size))
    return found


def _json(layout: Layout, digest: str) -> dict[str, Any]:
    path = layout.blob_path(digest)
    if path.is_file() and path.stat().st_size > _LARGEST:
        raise LayoutError(f"{layout.path}: blob {digest} is larger than any manifest", _REMEDY)
    try:
        return layout.read_json(digest)
    except (ValueError, RecursionError):
        raise LayoutError(f"{layout.path}: blob {digest} is not JSON", _REMEDY) from None
