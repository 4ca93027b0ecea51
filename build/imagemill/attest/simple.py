"""The payload of a signature over an image: its digest, and the repository that it was signed for.

Source: cosign's SIGNATURE_SPEC, "Simple Signing"; containers/image, signature format.
"""

from __future__ import annotations

import json

from imagemill.errors import VerifyError
from imagemill.oci import canonical

MEDIA_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
_TYPE = "cosign container image signature"


def payload(repository: str, digest: str) -> bytes:
    """What is signed of the manifest with this digest in `repository` (host and path)."""
    critical = {
        "identity": {"docker-reference": repository},
        "image": {"docker-manifest-digest": digest},
        "type": _TYPE,
    }
    return canonical({"critical": critical, "optional": None})


def read(data: bytes) -> tuple[str, str]:
    """(repository, digest) of a payload. VerifyError for what is none."""
    try:
        critical = json.loads(data)["critical"]
        if critical["type"] != _TYPE:
            raise VerifyError(f"a signature is of the unknown type {critical['type']!r}", "use a newer imagemill")
        return str(critical["identity"]["docker-reference"]), str(critical["image"]["docker-manifest-digest"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise VerifyError(f"a signature's payload is damaged: {error!r}", "sign the image again") from None
