"""DSSE envelopes: a payload, its type, and signatures over both.

Source: github.com/secure-systems-lab/dsse, protocol.md and envelope.md, version 1.0.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass

from imagemill.attest.publickey import PublicKey
from imagemill.errors import VerifyError
from imagemill.oci import canonical
from imagemill.trust.signer import Signer


@dataclass(frozen=True)
class Envelope:
    """A payload of some type, and the signatures over it; who made them is not known yet."""

    kind: str
    payload: bytes
    signatures: tuple[bytes, ...]

    def by(self, keys: Iterable[PublicKey]) -> PublicKey | None:
        """The first of these keys that signed it; None where none did."""
        signed = encoded(self.kind, self.payload)
        return next((key for key in keys for one in self.signatures if key.verifies(one, signed)), None)


def encoded(kind: str, payload: bytes) -> bytes:
    """What is signed: type and payload, each after its length, so that neither can pass for the other."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def seal(kind: str, payload: bytes, signer: Signer) -> bytes:
    """An envelope as JSON, with one signature."""
    return write(Envelope(kind, payload, (signer.sign(encoded(kind, payload)),)))


def write(envelope: Envelope) -> bytes:
    """An envelope as JSON."""
    return canonical(to_json(envelope))


def to_json(envelope: Envelope) -> dict[str, object]:
    """An envelope as the data that its JSON has."""
    return {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": envelope.kind,
        "signatures": [{"sig": base64.b64encode(one).decode()} for one in envelope.signatures],
    }


def read(data: bytes) -> Envelope:
    """Read an envelope. VerifyError for what is none."""
    try:
        return from_json(json.loads(data))
    except (ValueError, RecursionError):
        raise VerifyError("an attestation is not JSON", "it is damaged") from None


def from_json(data: object) -> Envelope:
    """The envelope that this data is. VerifyError for what is none."""
    try:
        assert isinstance(data, dict)  # noqa: S101 - caught below, as every other wrong type
        signatures = tuple(base64.b64decode(row["sig"], validate=True) for row in data["signatures"])
        return Envelope(str(data["payloadType"]), base64.b64decode(data["payload"], validate=True), signatures)
    except (AssertionError, KeyError, TypeError, binascii.Error, ValueError) as error:
        raise VerifyError(f"an attestation is no DSSE envelope: {error!r}", "it is damaged") from None
