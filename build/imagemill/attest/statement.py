"""In-toto statements: what is said (a predicate of some type) of which images (subjects, by digest).

Source: github.com/in-toto/attestation, spec/v1/statement.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagemill.errors import VerifyError
from imagemill.oci import canonical

PAYLOAD = "application/vnd.in-toto+json"
TYPE = "https://in-toto.io/Statement/v1"
_TYPES = (TYPE, "https://in-toto.io/Statement/v0.1")  # cosign 2 writes the old one

SPDX = "https://spdx.dev/Document"
CYCLONEDX = "https://cyclonedx.org/bom"
PROVENANCE = "https://slsa.dev/provenance/v1"
CONFORMANCE = "https://imagemill.io/conformance/v1"
SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
"""Types of predicates. Of a `SIGNATURE`, which is empty, the subject is all."""

BUILD_TYPE = "https://imagemill.io/provenance/v1"
"""How imagemill builds, in provenance: docs/provenance.md."""


@dataclass(frozen=True)
class Statement:
    """`subjects` are digests (`sha256:…`) with the name of the repository that they are in."""

    subjects: Mapping[str, str]
    kind: str
    predicate: Mapping[str, Any]


def write(statement: Statement) -> bytes:
    """A statement as JSON: the payload of an envelope."""
    subjects = [
        {"digest": {"sha256": digest.removeprefix("sha256:")}, "name": name}
        for digest, name in sorted(statement.subjects.items())
    ]
    return canonical(
        {"_type": TYPE, "subject": subjects, "predicateType": statement.kind, "predicate": statement.predicate}
    )


def read(payload: bytes) -> Statement:
    """Read a statement. VerifyError for what is none."""
    try:
        data = json.loads(payload)
        if data["_type"] not in _TYPES:
            raise VerifyError(f"an attestation is of the unknown type {data['_type']!r}", "use a newer imagemill")
        subjects = {f"sha256:{row['digest']['sha256']}": str(row.get("name", "")) for row in data["subject"]}
        predicate = data["predicate"]
        if not isinstance(predicate, dict):
            raise TypeError("predicate")
        return Statement(subjects, str(data["predicateType"]), predicate)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise VerifyError(f"an attestation is no in-toto statement: {error!r}", "it is damaged") from None
