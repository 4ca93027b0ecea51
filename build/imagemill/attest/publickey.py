"""Public keys: what checks a signature."""

from __future__ import annotations

import base64
import binascii
import hashlib
import textwrap
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from imagemill.errors import VerifyError

_BEGIN, _END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
"""What comes before the point in every such key (RFC 5480): who only verifies need import nothing that knows more."""


@dataclass(frozen=True)
class PublicKey:
    """An ECDSA key on P-256, as DER (SubjectPublicKeyInfo, RFC 5280)."""

    der: bytes

    def __post_init__(self) -> None:
        self._key()

    @staticmethod
    def from_pem(data: bytes, where: str) -> PublicKey:
        """Read a key as `cosign generate-key-pair`, `openssl`, and with its role in a header docker write it.

        VerifyError, with `where`, for others.
        """
        text = data.decode("ascii", "replace")
        body = text.partition(_BEGIN)[2].partition(_END)
        try:
            if not body[1]:
                raise ValueError("no public key in PEM")
            lines = [line.strip() for line in body[0].splitlines() if ":" not in line]
            return PublicKey(base64.b64decode("".join(lines), validate=True))
        except (ValueError, binascii.Error):
            raise VerifyError(f"{where} is no public key in PEM", "give the file that ends in .pub") from None

    @property
    def pem(self) -> str:
        """The key in PEM, as `cosign verify --key` takes it."""
        return "\n".join([_BEGIN, *textwrap.wrap(base64.b64encode(self.der).decode(), 64), _END, ""])

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
            if not self.der.startswith(_P256):
                raise ValueError("another kind of key")
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.der[len(_P256) :])
        except ValueError:
            raise VerifyError(
                "a public key is not ECDSA on P-256", "that is the only kind that imagemill signs with"
            ) from None
