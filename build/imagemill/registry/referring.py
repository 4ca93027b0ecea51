"""What refers to a manifest, and the index in which clients keep the list where the registry does not.

Source: OCI Distribution Specification 1.1, "Listing Referrers" and "Referrers Tag Schema".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from imagemill.errors import RegistryError
from imagemill.oci import INDEX, Descriptor, canonical, sha256


def tag(digest: str) -> str:
    """The tag of the list for a digest: at most 128 characters of it."""
    return digest.replace(":", "-", 1)[:128]


def row(media_type: str, data: bytes, where: str) -> dict[str, Any]:
    """The entry of a list for a manifest with a subject, as the specification has it filled in."""
    found = _object(data, where)
    kind = found.get("artifactType") or (found.get("config") or {}).get("mediaType") or ""
    entry: dict[str, Any] = {"mediaType": media_type, "digest": sha256(data), "size": len(data), "artifactType": kind}
    if found.get("annotations"):
        entry["annotations"] = found["annotations"]
    return entry


def checked(listed: bytes, where: str) -> bytes:
    """A list, if it is one."""
    rows = _object(listed, where).get("manifests")
    if not isinstance(rows, list) or not all(isinstance(one, dict) and "digest" in one for one in rows):
        raise RegistryError(f"{where}: what should be a list of referrers is none", "look who wrote it")
    return listed


def has(listed: bytes, digest: str) -> bool:
    """Whether a list has an entry."""
    return any(one["digest"] == digest for one in json.loads(listed)["manifests"])


def added(listed: bytes | None, entry: dict[str, Any]) -> bytes:
    """A list with an entry more; every other stays as its writer left it."""
    data: dict[str, Any] = json.loads(listed) if listed else {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    return canonical({**data, "manifests": [*data["manifests"], entry]})


def chosen(rows: Iterable[Any], artifact_type: str, where: str) -> list[Descriptor]:
    """The entries of a type, or all, each once. Not every registry chooses itself."""
    found: dict[str, Descriptor] = {}
    for one in rows:
        try:
            if not artifact_type or one.get("artifactType") == artifact_type:
                found.setdefault(str(one["digest"]), Descriptor.from_json(one))
        except (KeyError, TypeError, AttributeError) as error:
            raise RegistryError(f"{where}: a list of referrers is damaged: {error!r}", "look who wrote it") from None
    return list(found.values())


def _object(data: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RegistryError(f"{where}: a manifest that is no JSON object", "look who wrote it")
    return found
