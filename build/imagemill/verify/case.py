"""What is verified: an image as its repository has it, whole, with what is signed of each of its manifests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from imagemill.attest import statement
from imagemill.attest.publickey import PublicKey
from imagemill.conform.image import DOCKER_LIST, KINDS, digest_of
from imagemill.errors import VerifyError
from imagemill.oci import INDEX, MANIFEST, Descriptor, Layout, sha256
from imagemill.verify.evidence import Evidence, gather
from imagemill.verify.policy import Policy
from imagemill.verify.source import Source

_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
_DATE = re.compile(r"^\d{8}(\.\d+)?-")
_MOST = 100  # platforms
_DAMAGED = "it is no image: look who wrote it"
_KINDS = {
    "sbom": (statement.SPDX, statement.CYCLONEDX),
    "provenance": (statement.PROVENANCE,),
    "report": (statement.CONFORMANCE,),
}


@dataclass(frozen=True)
class Image:
    """One platform's manifest: its blobs are the configuration and the layers."""

    platform: str
    digest: str
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """All of them."""
        return (self.config, *self.layers)


@dataclass(frozen=True)
class Case:
    """One image to be verified.

    `reference` is the tag or digest that was asked for; `root` is what it means: an index, or one platform's manifest.
    `folder` is where its blobs are written, a layout once all are there.
    """

    source: Source
    reference: str
    policy: Policy
    keys: Sequence[PublicKey]
    now: datetime
    root: Descriptor
    images: Sequence[Image]
    evidence: Mapping[str, Evidence]
    folder: Path
    manifests: Mapping[str, bytes] = field(repr=False)

    @property
    def tag(self) -> str:
        """The tag that was asked for; empty where a digest was."""
        return "" if ":" in self.reference else self.reference

    @property
    def undated(self) -> str:
        """The tag without the date of a release."""
        return _DATE.sub("", self.tag)

    @property
    def dated(self) -> bool:
        """Whether the tag is one that is never moved."""
        return self.undated != self.tag

    @property
    def repository(self) -> str:
        """The repository that it must be signed for."""
        return self.policy.signed_as or self.source.name

    @property
    def is_index(self) -> bool:
        """Whether it is an image for several platforms."""
        return self.root.digest not in {image.digest for image in self.images}

    def config(self, image: Image) -> dict[str, Any]:
        """The configuration of an image, once it is in the folder. Raises LayoutError."""
        return Layout(self.folder).read_json(image.config.digest)

    def told(self, digest: str) -> str:
        """What rows call a manifest."""
        return next((image.platform for image in self.images if image.digest == digest), "index")


def open_case(
    source: Source,
    reference: str,
    policy: Policy,
    keys: Sequence[PublicKey],
    now: datetime,
    folder: Path,
    pool: Executor,
) -> Case:
    """Read what a reference means, and what is signed of it; blobs are not read yet.

    Raises VerifyError for what is no image, Missing where there is none, and what the source raises.
    """
    data = source.manifest(reference)
    root = Descriptor(_media_type(data), sha256(data), len(data))
    if ":" in reference and root.digest != reference:
        raise VerifyError(f"{source.name}: {reference} has other bytes", "look why the registry does that")
    manifests = {root.digest: data}
    if root.media_type in (INDEX, DOCKER_LIST):
        listed = _listed(data)
        children = list(pool.map(lambda row: source.manifest(row.digest), listed))
        for row, child in zip(listed, children, strict=True):
            if sha256(child) != row.digest:
                raise VerifyError(f"{source.name}: {row.digest} has other bytes", "look why the registry does that")
            manifests[row.digest] = child
        images = [_image(source, row.platform, child) for row, child in zip(listed, children, strict=True)]
    else:
        images = [_image(source, "", data)]
    wanted = {kind for name, kinds in _KINDS.items() if name not in policy.without for kind in kinds}
    evidence = gather(source, list(manifests), keys, wanted, pool)
    return Case(source, reference, policy, keys, now, root, images, evidence, folder, manifests)


def plain(name: str) -> str:
    """A repository's name with Docker Hub spelled in one way."""
    host, _, path = name.partition("/")
    return f"docker.io/{path}" if host in _HUB else name


def _listed(data: bytes) -> list[Descriptor]:
    """The images of an index, each with a platform of its own."""
    try:
        rows = [Descriptor.from_json(row) for row in json.loads(data)["manifests"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise VerifyError(f"an index is damaged: {error!r}", _DAMAGED) from None
    for row in rows:
        digest_of(row.digest, "an index")
        if row.media_type not in KINDS or not row.platform or row.platform.startswith("unknown"):
            raise VerifyError(f"an index lists {row.digest}, which is no image for a platform", _DAMAGED)
    if not rows or len(rows) > _MOST or len({row.platform for row in rows}) != len(rows):
        raise VerifyError(f"an index lists {len(rows)} images, not one for each platform", _DAMAGED)
    return rows


def _image(source: Source, platform: str, data: bytes) -> Image:
    try:
        found = json.loads(data)
        if _media_type(data) not in KINDS:
            raise VerifyError(f"{sha256(data)} is a {_media_type(data)!r}", _DAMAGED)
        config = Descriptor.from_json(found["config"])
        layers = tuple(Descriptor.from_json(row) for row in found["layers"])
        if not platform:
            settings = json.loads(source.small_blob(digest_of(config.digest, "a manifest")))
            platform = f"{settings['os']}/{settings['architecture']}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise VerifyError(f"the manifest {sha256(data)} is damaged: {error!r}", _DAMAGED) from None
    for blob in (config, *layers):
        digest_of(blob.digest, "a manifest")
    return Image(platform, sha256(data), config, layers)


def _media_type(data: bytes) -> str:
    try:
        found = json.loads(data)
        return str(found.get("mediaType") or (INDEX if "manifests" in found else MANIFEST))
    except (ValueError, AttributeError, RecursionError):
        raise VerifyError("a manifest is not JSON", _DAMAGED) from None
