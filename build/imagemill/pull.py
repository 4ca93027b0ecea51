"""Base images of registries: their digests for the lock, and their blobs into the cache, by digest.

Source: OCI Distribution Specification 1.1 (pulling), and the token authentication of Docker's registry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from imagemill.cache import Cache
from imagemill.errors import FetchError, IntegrityError, LockError
from imagemill.lock import BaseImage
from imagemill.oci import INDEX, MANIFEST, Descriptor, Layout, sha256
from imagemill.platforms import Platform
from imagemill.registry.faults import Denied, Missing
from imagemill.registry.repository import Repository
from imagemill.web import NotThere, Web

_LISTS = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
Guard = Callable[[Iterable[bytes]], Iterator[bytes]]


def resolve(image: str, platforms: Iterable[Platform], web: Web) -> dict[str, BaseImage]:
    """The digest that a tag (`host/name:tag`) has on each architecture now. Raises LockError where it has none."""
    name, _, tag = image.rpartition(":")
    repository = Repository(web, name)
    try:
        found = repository.manifest(tag)
        by_platform = dict(_manifests(found, repository))
    except (Missing, Denied) as error:
        raise LockError(f"image {image}: {error.message}", "correct 'image'") from None
    pins = {}
    for platform in platforms:
        if str(platform) not in by_platform:
            there = ", ".join(sorted(by_platform))
            raise LockError(f"image {image} is not there for {platform}, only for {there}", "correct 'platforms'")
        pins[platform.arch] = BaseImage(name, tag, by_platform[str(platform)], sha256(found))
    return pins


def pull(image: BaseImage, cache: Cache, web: Web, guard: Guard) -> Path:
    """Have an image's blobs in the cache. Returns the path of its manifest, which comes last: with it, all is there.

    `guard` is what chunks pass through, so that a download can be ended. Raises NotThere and IntegrityError.
    """
    repository, what = Repository(web, image.name), f"{image.name}:{image.version}"
    try:
        manifest = repository.manifest(image.digest)
        for digest, size in _blobs(manifest):
            value = digest.partition(":")[2]
            if not cache.path(value).is_file():
                cache.keep(guard(repository.blob(digest)), "sha256", value, f"blob {digest[:19]}", size)
    except Missing as error:
        raise NotThere(error.message, error.remedy) from None
    except IntegrityError as error:
        raise IntegrityError(f"{what}: {error.message}", error.remedy) from None
    return cache.keep([manifest], "sha256", image.digest.partition(":")[2], image.name)


def write_layout(image: BaseImage, cache: Cache, platform: Platform, out: Path) -> Descriptor:
    """Make an OCI layout of an image that was pulled, of links to the cache. Returns its descriptor there."""
    manifest = cache.item(image).read_bytes()
    layout = Layout(out)
    for digest, _ in _blobs(manifest):
        layout.link(cache.path(digest.partition(":")[2]), digest)
    layout.link(cache.item(image), image.digest)
    descriptor = Descriptor(_media_type(json.loads(manifest)), image.digest, len(manifest), str(platform))
    layout.finish([descriptor])
    return descriptor


def _manifests(found: bytes, repository: Repository) -> Iterator[tuple[str, str]]:
    """(platform, digest) of what a tag points at: an index, or the manifest of one platform."""
    data = json.loads(found)
    if _media_type(data) in _LISTS:
        for row in data["manifests"]:
            place = row.get("platform", {})
            if place.get("os") == "linux":  # attestations say "unknown"
                yield f"linux/{place['architecture']}", row["digest"]
    else:
        config = json.loads(repository.small_blob(data["config"]["digest"]))
        yield f"{config['os']}/{config['architecture']}", sha256(found)


def _blobs(manifest: bytes) -> list[tuple[str, int]]:
    """(digest, size) of the configuration and the layers."""
    data = json.loads(manifest)
    rows = [(row["digest"], row["size"]) for row in (data["config"], *data["layers"])]
    for digest, _ in rows:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise FetchError(f"a manifest names the blob {digest!r}", "use an image whose digests are SHA-256")
    return rows


def _media_type(data: dict[str, Any]) -> str:
    return str(data.get("mediaType") or (INDEX if "manifests" in data else MANIFEST))
