"""What is said of a manifest in its repository, and signed with a key that is trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from imagemill.attest import bundles, dsse, simple, statement, tagged
from imagemill.attest.attach import LONGEST
from imagemill.attest.dsse import Envelope
from imagemill.attest.publickey import PublicKey
from imagemill.attest.statement import Statement
from imagemill.attest.tagged import Row
from imagemill.errors import VerifyError
from imagemill.registry.faults import Missing
from imagemill.verify.source import Source

_MOST = 200  # signatures or attestations of one manifest


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


def gather(source: Source, digest: str, keys: Sequence[PublicKey], wanted: Collection[str], pool: Executor) -> Evidence:
    """What is signed of a manifest, as tags and, where these lack anything that is `wanted`, as referrers."""
    signatures = pool.submit(lambda: list(_signatures(source, digest, keys)))
    attestations = list(_attestations(source, digest, keys))
    found = [*signatures.result(), *attestations]
    there = {one.kind for one in found if isinstance(one, Statement)}
    if not any(isinstance(one, Signed) for one in found) or not there.issuperset(wanted):
        found += _referring(source, digest, keys)
    return Evidence(digest, tuple(found))


def _signatures(source: Source, digest: str, keys: Sequence[PublicKey]) -> Iterator[Found]:
    for row in _rows(source, tagged.tag(digest, "sig"), simple.MEDIA_TYPE):
        payload = source.small_blob(row.digest, LONGEST)
        if not any(key.verifies(row.signature, payload) for key in keys):
            yield Refused("a signature is by another key")
            continue
        repository, of = simple.read(payload)
        yield Signed(repository) if of == digest else Refused(f"a signature is of {of}")


def _attestations(source: Source, digest: str, keys: Sequence[PublicKey]) -> Iterator[Found]:
    for row in _rows(source, tagged.tag(digest, "att"), tagged.ENVELOPE):
        yield _judged(lambda row=row: dsse.read(source.small_blob(row.digest, LONGEST)), digest, keys)  # type: ignore[misc]


def _referring(source: Source, digest: str, keys: Sequence[PublicKey]) -> Iterator[Found]:
    for one in source.referrers(digest, bundles.MEDIA_TYPE)[:_MOST]:
        yield _judged(lambda one=one: _bundle(source, one.digest), digest, keys)  # type: ignore[misc]


def _bundle(source: Source, digest: str) -> Envelope:
    try:
        [layer] = json.loads(source.manifest(digest))["layers"]
        return bundles.read(source.small_blob(str(layer["digest"]), LONGEST))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise VerifyError(f"the manifest of a bundle is damaged: {error!r}", "sign the image again") from None


def _judged(read: Callable[[], Envelope], digest: str, keys: Sequence[PublicKey]) -> Found:
    """What an envelope says, if it is by one of the keys, and of this manifest."""
    try:
        envelope = read()
        if envelope.kind != statement.PAYLOAD:
            return Refused(f"an attestation is of the unknown type {envelope.kind!r}")
        if envelope.by(keys) is None:
            return Refused("an attestation is by another key")
        found = statement.read(envelope.payload)
    except (VerifyError, Missing) as error:
        return Refused(error.message)
    if digest not in found.subjects:
        return Refused(f"an attestation is of {', '.join(sorted(found.subjects)) or 'nothing'}")
    return Signed(found.subjects[digest]) if found.kind == statement.SIGNATURE else found


def _rows(source: Source, tag: str, media_type: str) -> list[Row]:
    try:
        data = source.manifest(tag)
    except Missing:
        return []
    return [row for row in tagged.rows(data) if row.media_type == media_type][:_MOST]
