"""What signs: a key in a file, or whatever keeps one where nobody can read it."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """Makes signatures with one key, which it shows to nobody."""

    @property
    def public_key(self) -> bytes:
        """The public key as DER (SubjectPublicKeyInfo, RFC 5280): ECDSA on P-256."""

    def sign(self, data: bytes) -> bytes:
        """The signature over the SHA-256 of `data`: ECDSA as ASN.1 DER (RFC 3279). Raises TrustError."""
