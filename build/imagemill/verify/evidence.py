"""What is said of a manifest in its repository, and signed with a key that is trusted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Literal

from imagemill.attest import bundles, dsse, simple, statement, tagged
from imagemill.attest.attach import LONGEST
from imagemill.attest.dsse import Envelope
from imagemill.attest.publickey import PublicKey
from imagemill.attest.statement import Statement
from imagemill.attest.tagged import Row
from imagemill.errors import ImagemillError, VerifyError
from imagemill.registry.faults import Missing
from imagemill.verify.source import Source

_MOST = 200  # signatures or attestations of one manifest
_KINDS: Mapping[Literal["sig", "att"], str] = {"sig": simple.MEDIA_TYPE, "att": tagged.ENVELOPE}


@dataclass(frozen=True)
class Signed:
    """A signature over the manifest, for a repository."""

    repository: str


@dataclass(frozen=True)
class Refused:
    """Something beside the manifest that counts for nothing, and why."""

    reason: str


Found = Signed | Statement | Refused


@dataclass(frozen=True)
class Evidence:
    """All that there is beside one manifest."""

    digest: str
    found: tuple[Found, ...]

    @property
    def repositories(self) -> set[str]:
        """The repositories that the manifest is signed for."""
        return {one.repository for one in self.found if isinstance(one, Signed)}

    @property
    def reasons(self) -> list[str]:
        """Why what was refused was refused."""
        return sorted({one.reason for one in self.found if isinstance(one, Refused)})

    def statements(self, kind: str) -> list[Statement]:
        """What is said of this kind."""
        return [one for one in self.found if isinstance(one, Statement) and one.kind == kind]


def gather(
    source: Source, digests: Sequence[str], keys: Sequence[PublicKey], wanted: Collection[str], pool: Executor
) -> dict[str, Evidence]:
    """What is signed of each of these manifests: as tags and, where these lack anything `wanted`, as referrers."""
    tags = [(digest, kind) for digest in digests for kind in _KINDS]
    rows = dict(zip(tags, pool.map(lambda one: _rows(source, *one), tags), strict=True))
    blobs = list({row.digest: None for found in rows.values() for row in found if isinstance(row, Row)})
    # what index and platforms share is read once
    read = dict(zip(blobs, pool.map(lambda digest: _read(source, digest), blobs), strict=True))
    said: dict[str, Statement | Refused] = {}
    found: dict[str, list[Found]] = {digest: [] for digest in digests}
    for (digest, kind), there in rows.items():
        for row in there:
            data = row if isinstance(row, Refused) else read[row.digest]
            if isinstance(row, Refused) or isinstance(data, Refused):
                found[digest].append(data)  # type: ignore[arg-type]
            elif kind == "sig":
                found[digest].append(_signature(row, data, digest, keys))
            else:
                if row.digest not in said:
                    said[row.digest] = _statement(data, dsse.read, keys)
                found[digest].append(_about(said[row.digest], digest))
    lacking = [digest for digest in digests if not _enough(found[digest], wanted)]
    for digest, more in zip(lacking, pool.map(lambda one: _referring(source, one, keys), lacking), strict=True):
        found[digest] += more
    return {digest: Evidence(digest, tuple(one)) for digest, one in found.items()}


def _enough(found: Sequence[Found], wanted: Collection[str]) -> bool:
    kinds = {one.kind for one in found if isinstance(one, Statement)}
    return any(isinstance(one, Signed) for one in found) and kinds.issuperset(wanted)


def _rows(source: Source, digest: str, kind: Literal["sig", "att"]) -> Sequence[Row | Refused]:
    try:
        data = source.manifest(tagged.tag(digest, kind))
        return [row for row in tagged.rows(data) if row.media_type == _KINDS[kind]][:_MOST]
    except Missing:
        return []
    except ImagemillError as error:
        return [Refused(error.message)]


def _read(source: Source, digest: str) -> bytes | Refused:
    try:
        return source.small_blob(digest, LONGEST)
    except ImagemillError as error:
        return Refused(error.message)


def _signature(row: Row, payload: bytes, digest: str, keys: Sequence[PublicKey]) -> Found:
    if not any(key.verifies(row.signature, payload) for key in keys):
        return Refused("a signature is by another key, or of other bytes")
    try:
        repository, of = simple.read(payload)
    except VerifyError as error:
        return Refused(error.message)
    return Signed(repository) if of == digest else Refused(f"a signature is of {of}")


def _referring(source: Source, digest: str, keys: Sequence[PublicKey]) -> list[Found]:
    try:
        listed = [one for one in source.referrers(digest) if one.artifact_type in bundles.LISTED_AS][:_MOST]
    except Missing:
        return []
    except ImagemillError as error:
        return [Refused(error.message)]
    found: list[Found] = []
    for one in listed:
        try:
            data = source.small_blob(bundles.layer(source.manifest(one.digest)), LONGEST)
        except ImagemillError as error:
            found.append(Refused(error.message))
        else:
            found.append(_about(_statement(data, bundles.read, keys), digest))
    return found


def _statement(data: bytes, read: Callable[[bytes], Envelope], keys: Sequence[PublicKey]) -> Statement | Refused:
    """What an envelope says, if it is by one of the keys."""
    try:
        envelope = read(data)
        if envelope.kind != statement.PAYLOAD:
            return Refused(f"an attestation is of the unknown type {envelope.kind!r}")
        if envelope.by(keys) is None:
            return Refused("an attestation is by another key, or of other bytes")
        return statement.read(envelope.payload)
    except VerifyError as error:
        return Refused(error.message)


def _about(found: Statement | Refused, digest: str) -> Found:
    """What is said, if it is said of this manifest."""
    if isinstance(found, Refused):
        return found
    if digest not in found.subjects:
        return Refused(f"an attestation is of {', '.join(sorted(found.subjects)) or 'nothing'}")
    return Signed(found.subjects[digest]) if found.kind == statement.SIGNATURE else found
