"""Signatures and attestations as cosign 2 keeps them: an image under a tag made of the digest, a layer for each.

Source: cosign's SIGNATURE_SPEC and ATTESTATION_SPEC, "Tag-based Discovery".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from imagemill.attest import simple
from imagemill.errors import VerifyError
from imagemill.oci import CONFIG, MANIFEST, Descriptor, canonical, sha256

ENVELOPE = "application/vnd.dsse.envelope.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
PREDICATE = "predicateType"
_NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True)
class Row:
    """A layer: what it is, and what its annotations say."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def signature(self) -> bytes:
        """The signature that the annotations have; empty for none, and for what is none."""
        try:
            return base64.b64decode(self.annotations.get(SIGNATURE, ""), validate=True)
        except ValueError:
            return b""

    def to_json(self) -> dict[str, Any]:
        """The row as a manifest has it."""
        return Descriptor(self.media_type, self.digest, self.size, "", self.annotations).to_json()


def tag(digest: str, kind: Literal["sig", "att"]) -> str:
    """The tag under which the signatures or attestations of a manifest are."""
    return f"{digest.replace(':', '-')}.{kind}"


def signature(payload: bytes, signed: bytes) -> Row:
    """The row of a signature (ASN.1 DER) over a payload."""
    notes = {SIGNATURE: base64.b64encode(signed).decode()}
    return Row(simple.MEDIA_TYPE, sha256(payload), len(payload), notes)


def attestation(envelope: bytes, predicate: str) -> Row:
    """The row of an envelope with a statement of this type."""
    return Row(ENVELOPE, sha256(envelope), len(envelope), {SIGNATURE: "", PREDICATE: predicate})


def image(rows: Iterable[Row]) -> tuple[bytes, bytes]:
    """(configuration, manifest) of the image that has these rows."""
    rows = list(rows)
    config = canonical(
        {
            "architecture": "",
            "config": {},
            "created": _NEVER,
            "history": [{"created": _NEVER} for _ in rows],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [row.digest for row in rows]},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Descriptor(CONFIG, sha256(config), len(config)).to_json(),
        "layers": [row.to_json() for row in rows],
    }
    return config, canonical(manifest)


def rows(manifest: bytes) -> list[Row]:
    """The rows of such an image. VerifyError for what is none."""
    try:
        return [
            Row(str(row["mediaType"]), str(row["digest"]), int(row["size"]), dict(row.get("annotations") or {}))
            for row in json.loads(manifest)["layers"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise VerifyError(f"a manifest of signatures is damaged: {error!r}", "sign the image again") from None
