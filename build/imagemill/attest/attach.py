"""Signatures and attestations beside an image in its repository, for cosign 2 (tags) and cosign 3 (referrers).

Each manifest, the index's and every platform's, has its own. What is there by other keys stays. Tags are read, changed
and written again, which no registry can do in one step: two that sign the same digest must do so one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, Protocol

from imagemill.attest import artifact, bundles, dsse, simple, statement, tagged
from imagemill.attest.dsse import Envelope
from imagemill.attest.publickey import PublicKey
from imagemill.attest.statement import Statement
from imagemill.attest.tagged import Row
from imagemill.errors import PublishError, VerifyError
from imagemill.oci import MANIFEST, Descriptor, sha256
from imagemill.registry.faults import Missing, Torn
from imagemill.trust.signer import Signer

Form = Literal["tags", "referrers"]
FORMS: tuple[Form, ...] = ("tags", "referrers")
"""What cosign 2 reads, and what cosign 3 writes."""


_AT_ONCE = 4  # blobs of one manifest

LONGEST = 64 << 20
"""Bytes of an attestation that is read at all; the SBOM of a large image has 5 MB."""


class Repository(Protocol):
    """The part of registry.Repository that is needed here."""

    @property
    def name(self) -> str:
        """Host and path."""

    def head(self, reference: str) -> Descriptor | None:
        """What a tag or digest is; None for nothing."""

    def there(self, reference: str) -> Descriptor | None:
        """The same; None for what the registry cannot read any more, too."""

    def manifest(self, reference: str) -> bytes:
        """The manifest of a tag or digest."""

    def small_blob(self, digest: str, longest: int = ...) -> bytes:
        """A blob of at most `longest` bytes."""

    def push_blob(self, source: bytes, digest: str, size: int) -> object:
        """Have a blob there."""

    def push_manifest(self, reference: str, media_type: str, data: bytes) -> Descriptor:
        """Have a manifest there, under a tag or its digest."""

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a manifest."""

    def attach_referrer(self, media_type: str, data: bytes) -> object:
        """Have a manifest there that refers to another."""


class Sealer:
    """Seals statements and payloads with one key, each once. Threads may share it."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._sealed: dict[bytes, Envelope] = {}
        self._lock = threading.Lock()
        self.key = PublicKey(signer.public_key)

    def sign(self, payload: bytes) -> bytes:
        """The signature over a payload of cosign's."""
        return self._signer.sign(payload)

    def seal(self, payload: bytes) -> Envelope:
        """The envelope of a statement."""
        with self._lock:
            if payload not in self._sealed:
                self._sealed[payload] = dsse.read(dsse.seal(statement.PAYLOAD, payload, self._signer))
            return self._sealed[payload]

    def made(self, envelope: Envelope) -> bool:
        """Whether an envelope is by this key; if so it is the one from now on."""
        if envelope.by([self.key]) is None:
            return False
        with self._lock:
            self._sealed[envelope.payload] = envelope
        return True


def attach(
    repository: Repository,
    digest: str,
    statements: Sequence[Statement],
    sealer: Sealer,
    forms: Iterable[Form] = FORMS,
) -> int:
    """Sign a manifest that is in a repository, and attach statements to it. How many blobs and manifests were sent.

    The same again sends nothing. A statement replaces the one of the same type on the same subjects that this key has
    signed before. Raises PublishError where the manifest is not there, RegistryError, TrustError of the signer, and
    VerifyError where what is there is damaged.
    """
    subject = repository.head(digest)
    if subject is None:
        raise PublishError(f"{repository.name} has no {digest} to be signed", "push the image first")
    sent = 0
    payloads = {statement.write(one): one for one in statements}
    if "tags" in forms:
        sent += _signed(repository, subject, sealer)
        sent += _attested(repository, subject, payloads, sealer)
    if "referrers" in forms:
        own = Statement({subject.digest: repository.name}, statement.SIGNATURE, {})
        sent += _referring(repository, subject, {statement.write(own): own} | payloads, sealer)
    return sent


def _signed(repository: Repository, subject: Descriptor, sealer: Sealer) -> int:
    tag = tagged.tag(subject.digest, "sig")
    there = _rows(repository, tag)
    payload = simple.payload(repository.name, subject.digest)
    digest = sha256(payload)
    if any(row.digest == digest and sealer.key.verifies(row.signature, payload) for row in there):
        return 0
    return _write(repository, tag, [*there, tagged.signature(payload, sealer.sign(payload))], [payload])


def _attested(repository: Repository, subject: Descriptor, payloads: dict[bytes, Statement], sealer: Sealer) -> int:
    tag = tagged.tag(subject.digest, "att")
    there = _rows(repository, tag)
    sealed = {payload: dsse.write(sealer.seal(payload)) for payload in payloads}
    wanted = {sha256(envelope) for envelope in sealed.values()}
    kinds = {one.kind for one in payloads.values()}
    kept = []
    for row in there:
        if row.digest in wanted or row.annotations.get(tagged.PREDICATE) not in kinds:
            kept.append(row)
            continue
        envelope = _envelope(repository, row)
        if envelope is None or not sealer.made(envelope):
            kept.append(row)
        elif envelope.payload in payloads:  # by this very key, whose signatures differ from one time to the next
            sealed[envelope.payload] = b""
            kept.append(row)
        elif not _replaced(envelope, payloads.values()):
            kept.append(row)
    known = {row.digest for row in kept}
    new = {payload: envelope for payload, envelope in sealed.items() if envelope and sha256(envelope) not in known}
    rows = [*kept, *(tagged.attestation(envelope, payloads[payload].kind) for payload, envelope in new.items())]
    return _write(repository, tag, rows, list(new.values())) if rows != there else 0


def _replaced(envelope: Envelope, statements: Iterable[Statement]) -> bool:
    """Whether one of these says anew what an envelope of the same key says."""
    try:
        old = statement.read(envelope.payload)
    except VerifyError:
        return False
    return any(one.kind == old.kind and one.subjects.keys() == old.subjects.keys() for one in statements)


def _envelope(repository: Repository, row: Row) -> Envelope | None:
    try:
        return dsse.read(repository.small_blob(row.digest, LONGEST))
    except VerifyError:
        return None  # somebody else's, and not ours to judge


def _rows(repository: Repository, tag: str) -> list[Row]:
    return tagged.rows(repository.manifest(tag)) if repository.there(tag) else []


def _write(repository: Repository, tag: str, rows: list[Row], blobs: list[bytes]) -> int:
    config, manifest = tagged.image(rows)
    _send(repository, [*blobs, config])
    repository.push_manifest(tag, MANIFEST, manifest)
    return len(blobs) + 2


def _referring(repository: Repository, subject: Descriptor, payloads: dict[bytes, Statement], sealer: Sealer) -> int:
    # what is not listed is not found, even where it is there: whoever was killed in between has to go on
    listed = {one.digest: one.annotations.get(bundles.PREDICATE) for one in repository.referrers(subject.digest)}
    made = {payload: bundles.write(sealer.seal(payload), sealer.key) for payload in payloads}
    manifests = {payload: bundles.manifest(made[payload], one.kind, subject) for payload, one in payloads.items()}

    def there(payload: bytes) -> bool:
        digest, kind = sha256(manifests[payload]), payloads[payload].kind
        if digest in listed and repository.there(digest):
            return True
        alike = [one for one, said in listed.items() if said == kind and one != digest]
        return any(_said(repository, one, payload, sealer) for one in alike)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        new = [payload for payload, found in zip(payloads, pool.map(there, payloads), strict=True) if not found]
    if new:
        _send(repository, [*(made[payload] for payload in new), artifact.EMPTY])
    for payload in new:  # one after the other: each may change the list
        repository.attach_referrer(MANIFEST, manifests[payload])
    return 2 * len(new) + bool(new)


def _said(repository: Repository, digest: str, payload: bytes, sealer: Sealer) -> bool:
    """Whether a bundle says just this, by this very key, whose signatures differ from one time to the next."""
    try:
        envelope = bundles.read(repository.small_blob(bundles.layer(repository.manifest(digest)), LONGEST))
    except (VerifyError, Missing, Torn):
        return False  # somebody else's, or what a registry has lost
    return envelope.payload == payload and sealer.made(envelope)


def _send(repository: Repository, blobs: Iterable[bytes]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda data: repository.push_blob(data, sha256(data), len(data)), blobs))
