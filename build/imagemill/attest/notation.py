"""Signatures that notation verifies: a JWS with a certificate, as an artifact that refers to a manifest.

Sources: Notary Project Specification 1.1, signature-specification.md and signature-envelope-jws.md; RFC 7515 and 7518.
Such a signature has its time in it, so it is made once for each manifest and certificate.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from imagemill import __version__
from imagemill.attest import artifact
from imagemill.attest.attach import Repository
from imagemill.errors import PublishError, TrustError
from imagemill.oci import MANIFEST, Descriptor, canonical, sha256
from imagemill.trust.signer import Signer

ARTIFACT = "application/vnd.cncf.notary.signature"
THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256"
_ENVELOPE = "application/jose+json"
_PAYLOAD = "application/vnd.cncf.notary.payload.v1+json"
_SCHEME = "io.cncf.notary.signingScheme"
_HALF = 32  # bytes of each number of a signature with P-256


@dataclass(frozen=True)
class Chain:
    """A certificate for signing code, and those above it, without the root or with it."""

    certificates: tuple[x509.Certificate, ...]

    @staticmethod
    def from_pem(data: bytes, signer: Signer) -> Chain:
        """Read certificates in PEM, the signer's own first. TrustError for what is none, or of another key."""
        try:
            found = tuple(x509.load_pem_x509_certificates(data))
        except ValueError:
            raise TrustError("there is no certificate in PEM", "give the certificate of the key that signs") from None
        public = found[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if public != signer.public_key:
            raise TrustError("the first certificate is of another key", "give that of the key that signs")
        return Chain(found)

    @property
    def thumbprints(self) -> str:
        """The SHA-256 of each certificate, as annotations have them."""
        return json.dumps([one.fingerprint(SHA256()).hex() for one in self.certificates], separators=(",", ":"))


def sign(repository: Repository, digests: Iterable[str], signer: Signer, chain: Chain, now: datetime) -> int:
    """Sign manifests that are in a repository; those that this chain has signed already stay. How many were signed.

    Raises PublishError for one that is not there, TrustError, and RegistryError.
    """
    count = 0
    for digest in digests:
        subject = repository.head(digest)
        if subject is None:
            raise PublishError(f"{repository.name} has no {digest} to be signed", "push the image first")
        there = repository.referrers(digest, ARTIFACT)
        if any(one.annotations.get(THUMBPRINTS) == chain.thumbprints for one in there):
            continue
        data = envelope(subject, signer, chain, now)
        for blob in (data, artifact.EMPTY):
            repository.push_blob(blob, sha256(blob), len(blob))
        repository.attach_referrer(MANIFEST, manifest(data, subject, chain))
        count += 1
    return count


def envelope(subject: Descriptor, signer: Signer, chain: Chain, now: datetime) -> bytes:
    """The signature of a manifest as JWS in JSON. `now` is in seconds: JSON has no smaller ones here."""
    time = now.astimezone(UTC).replace(microsecond=0)
    protected = {
        "alg": "ES256",
        "crit": [_SCHEME],
        "cty": _PAYLOAD,
        _SCHEME: "notary.x509",
        "io.cncf.notary.signingTime": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    target = Descriptor(subject.media_type, subject.digest, subject.size).to_json()
    head, payload = _encoded(protected), _encoded({"targetArtifact": target})
    first, second = decode_dss_signature(signer.sign(f"{head}.{payload}".encode()))
    signed = first.to_bytes(_HALF, "big") + second.to_bytes(_HALF, "big")
    return canonical(
        {
            "payload": payload,
            "protected": head,
            "header": {
                "x5c": [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in chain.certificates],
                "io.cncf.notary.signingAgent": f"imagemill/{__version__}",
            },
            "signature": _url(signed),
        }
    )


def manifest(envelope: bytes, subject: Descriptor, chain: Chain) -> bytes:
    """The manifest of a signature, which refers to what is signed."""
    # notation looks for its type in the configuration's, as manifests had no artifactType once
    return artifact.manifest(ARTIFACT, ARTIFACT, _ENVELOPE, envelope, subject, {THUMBPRINTS: chain.thumbprints})


def _encoded(data: Mapping[str, Any]) -> str:
    return _url(canonical(data))


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
