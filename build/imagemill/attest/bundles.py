"""Sigstore bundles, version 0.3: an envelope with a hint of the key, as an artifact that refers to an image.

Sources: sigstore/protobuf-specs, sigstore_bundle.proto; cosign's BUNDLE_SPEC.
"""

from __future__ import annotations

import base64
import json

from imagemill.attest import artifact, dsse
from imagemill.attest.dsse import Envelope
from imagemill.attest.publickey import PublicKey
from imagemill.errors import VerifyError
from imagemill.oci import Descriptor, canonical

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
LISTED_AS = (MEDIA_TYPE, artifact.EMPTY_TYPE, "")
"""What lists of referrers say of a bundle: those that cosign 3.1 keeps have the type of its configuration."""
CONTENT = "dev.sigstore.bundle.content"
PREDICATE = "dev.sigstore.bundle.predicateType"


def write(envelope: Envelope, key: PublicKey) -> bytes:
    """The bundle of an envelope that has one signature, made with `key`."""
    hint = base64.b64encode(bytes.fromhex(key.id)).decode()
    return canonical(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": hint}},
            "dsseEnvelope": dsse.to_json(envelope),
        }
    )


def read(data: bytes) -> Envelope:
    """The envelope of a bundle. VerifyError for what has none."""
    try:
        found = json.loads(data)
        if found["mediaType"] != MEDIA_TYPE:
            raise VerifyError(f"a bundle is of the unknown type {found['mediaType']!r}", "use a newer imagemill")
        envelope = found["dsseEnvelope"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise VerifyError(f"a bundle is damaged or has no envelope: {error!r}", "sign the image again") from None
    return dsse.from_json(envelope)


def manifest(bundle: bytes, predicate: str, subject: Descriptor) -> bytes:
    """The manifest of a bundle with a statement of this type, which refers to the manifest `subject`."""
    notes = {CONTENT: "dsse-envelope", PREDICATE: predicate}
    return artifact.manifest(MEDIA_TYPE, artifact.EMPTY_TYPE, MEDIA_TYPE, bundle, subject, notes)


def layer(manifest: bytes) -> str:
    """The digest of the bundle that a manifest has. VerifyError for one that has none."""
    try:
        [row] = json.loads(manifest)["layers"]
        return str(row["digest"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise VerifyError(f"the manifest of a bundle is damaged: {error!r}", "sign the image again") from None
