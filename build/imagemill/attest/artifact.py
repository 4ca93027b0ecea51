"""Manifests of what is attached to an image: one blob, and the manifest that it refers to.

Source: OCI Image Format Specification 1.1, "Guidelines for Artifact Usage".
"""

from __future__ import annotations

from collections.abc import Mapping

from imagemill.oci import MANIFEST, Descriptor, canonical, sha256

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


def manifest(
    kind: str, config: str, media_type: str, blob: bytes, subject: Descriptor, notes: Mapping[str, str]
) -> bytes:
    """The manifest of an artifact of a `kind`, whose `config` is empty, of this type; it refers to `subject`."""
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": Descriptor(config, sha256(EMPTY), len(EMPTY)).to_json(),
            "layers": [Descriptor(media_type, sha256(blob), len(blob)).to_json()],
            "subject": Descriptor(subject.media_type, subject.digest, subject.size).to_json(),
            "annotations": dict(notes),
        }
    )
