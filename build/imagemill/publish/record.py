"""The record of a release, `releases/DATE.json`: each tag's digest, and all that it was made from.

Beside it lies `DATE.json.sig`, a signature of its very bytes: base64 of ASN.1 DER, ECDSA over SHA-256, as
`cosign verify-blob --key KEY --signature DATE.json.sig DATE.json` and openssl take it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from imagemill.errors import PublishError
from imagemill.trust.signer import Signer

FORMAT: Literal[1] = 1


@dataclass(frozen=True)
class Released:
    """One image of a release: its digests, the bytes that are pulled, what it was made from, and its tags.

    `lock` is the SHA-256 of the base's lock file; `signatures` names what signed it where.
    """

    digest: str
    platforms: Mapping[str, str]
    sizes: Mapping[str, int]
    input_hash: str
    lock: str
    tags: tuple[str, ...]
    signatures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Release:
    """A release. `revision` is that of the checkout, `imagemill` the version that published it."""

    format: Literal[1]
    date: str
    imagemill: str
    revision: str
    images: Mapping[str, Released] = field(default_factory=dict)


def path_of(folder: Path, date: str) -> Path:
    """Where the record of a release is kept."""
    return folder / f"{date}.json"


def to_json(release: Release) -> str:
    """The record as JSON: sorted, indented, ASCII."""
    return json.dumps(asdict(release), indent=1, sort_keys=True) + "\n"


def read(path: Path) -> Release:
    """Read what `to_json` gave. Raises PublishError for a file that is damaged, or of another format."""
    import msgspec

    try:
        return msgspec.json.decode(path.read_bytes(), type=Release)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PublishError(f"{path} is no record of a release: {error}", "restore it from git") from None


def write(folder: Path, release: Release, signer: Signer | None) -> Path:
    """Add to the record of a date, and sign it. Returns its path.

    What was published before under the same date stays: a release may be published in parts, and a tag of an image
    at another destination is one more tag of it.
    """
    path = path_of(folder, release.date)
    images = dict(release.images)
    if path.is_file():
        for name, before in read(path).images.items():
            now = images.get(name)
            images[name] = before if now is None else _joined(before, now, path, name)
    folder.mkdir(parents=True, exist_ok=True)
    whole = Release(FORMAT, release.date, release.imagemill, release.revision, dict(sorted(images.items())))
    data = to_json(whole).encode("ascii")
    _appear(path, data)
    signature = path.with_name(f"{path.name}.sig")
    if signer is not None:
        _appear(signature, base64.b64encode(signer.sign(data)) + b"\n")
    else:
        signature.unlink(missing_ok=True)  # it was of other bytes
    return path


def signed_by(signer: Signer, trust: tuple[str, str]) -> tuple[str, ...]:
    """Who signed: the key's SHA-256, and where Docker Content Trust's metadata is, of `trusting.Place`."""
    key = f"cosign key sha256:{hashlib.sha256(signer.public_key).hexdigest()}"
    return (key, *(f"notary {place}" for place in trust if place))


def known_digests(folder: Path) -> set[str]:
    """All digests of images that any record here has."""
    return {image.digest for path in sorted(folder.glob("*.json")) for image in read(path).images.values()}


def earlier(folder: Path, date: str = "") -> list[Release]:
    """The records in a folder, newest first; those before a date, or all."""
    found = [read(path) for path in folder.glob("*.json")]
    return sorted(
        (one for one in found if not date or order(one.date) < order(date)),
        key=lambda one: order(one.date), reverse=True,
    )  # fmt: skip


def order(date: str) -> tuple[int, ...]:
    """So that 20261121.10 comes after 20261121.9, and that after 20261121."""
    return tuple(int(part) for part in re.findall(r"\d+", date))


def _joined(before: Released, now: Released, path: Path, name: str) -> Released:
    if before.digest != now.digest:
        raise PublishError(
            f"{path}: {name} was released on that date as {before.digest}, and is {now.digest} now",
            "give another --date: a date's tags are never moved",
        )
    tags = tuple(sorted({*before.tags, *now.tags}))
    signatures = tuple(sorted({*before.signatures, *now.signatures}))
    return Released(now.digest, now.platforms, now.sizes, now.input_hash, now.lock, tags, signatures)


def _appear(path: Path, data: bytes) -> None:
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    staging.write_bytes(data)
    staging.replace(path)
