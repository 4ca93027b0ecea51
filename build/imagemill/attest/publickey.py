"""Public keys: what checks a signature."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from imagemill.errors import VerifyError


@dataclass(frozen=True)
class PublicKey:
    """An ECDSA key on P-256, as DER (SubjectPublicKeyInfo, RFC 5280)."""

    der: bytes

    def __post_init__(self) -> None:
        self._key()

    @staticmethod
    def from_pem(data: bytes, where: str) -> PublicKey:
        """Read a key as `cosign generate-key-pair` and `openssl` write it. VerifyError, with `where`, for others."""
        try:
            key = serialization.load_pem_public_key(data)
        except (ValueError, UnsupportedAlgorithm):
            raise VerifyError(f"{where} is no public key in PEM", "give the file that ends in .pub") from None
        return PublicKey(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))

    @property
    def pem(self) -> str:
        """The key in PEM, as `cosign verify --key` takes it."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key().public_bytes(serialization.Encoding.PEM, form).decode()

    @property
    def id(self) -> str:
        """The SHA-256 of the key, in hex."""
        return hashlib.sha256(self.der).hexdigest()

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` (ASN.1 DER) is this key's over the SHA-256 of `data`."""
        try:
            self._key().verify(signature, data, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    def _key(self) -> ec.EllipticCurvePublicKey:
        try:
            key = serialization.load_der_public_key(self.der)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise VerifyError("a public key is not ECDSA on P-256", "that is the only kind that imagemill signs with")
        return key
