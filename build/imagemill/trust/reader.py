"""Reading trust metadata as a stranger: from the root down, nothing believed that is not signed and in date.

Source: The Update Framework 1.0, as far as Notary 0.7 follows it (section 5.3 to 5.6 without mirrors).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from imagemill.errors import TrustError
from imagemill.trust.metadata import (
    RELEASES,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Content,
    Described,
    PublicKey,
    Root,
    Signature,
    Snapshot,
    Targets,
    Timestamp,
    expiry,
    parse,
)
from imagemill.trust.signatures import belongs, require
from imagemill.trust.store import Reader, Unsigned

REPOSITORY = "Repo Admin"
"""What docker calls the signer of a tag that no delegation signs."""

_ATTEMPTS = 4  # readings while somebody else writes
_LONGEST_CHAIN = 1000  # roots between the one that is known and the newest


@dataclass(frozen=True)
class Anchor:
    """What is known before anything is read. Of nothing, the first root that is met is believed, as docker does.

    `root` is the newest root.json that was seen; `root_keys` the ids of root keys of which one must be in the root,
    as `docker trust inspect` shows them; `versions` the highest versions that were seen, by role.
    """

    root: bytes = b""
    root_keys: frozenset[str] = frozenset()
    versions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Signed:
    """A tag's image: `digest` is `sha256:…`, `size` that of its manifest or index, and who signed just that."""

    digest: str
    size: int
    signers: tuple[str, ...]


@dataclass(frozen=True)
class Trusted:
    """Metadata that was verified, with the bytes of each file by its role.

    `distrusted` are delegations that lack their signature or are past their time, with the reason. What they sign
    counts for nothing, and what `targets` says of the same tags counts again: who must be sure wants none of them.
    """

    gun: str
    root: Root
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Mapping[str, Targets]
    files: Mapping[str, bytes]
    distrusted: Mapping[str, str]

    @property
    def tags(self) -> dict[str, Signed]:
        """The signed tags."""
        return released(self.targets)

    @property
    def anchor(self) -> Anchor:
        """What a later reading can start from."""
        found: dict[str, Content] = {TIMESTAMP: self.timestamp, SNAPSHOT: self.snapshot, **self.targets}
        return Anchor(self.files[ROOT], versions={role: content.version for role, content in found.items()})


def released(targets: Mapping[str, Targets]) -> dict[str, Signed]:
    """The tags that these roles sign, as docker pulls them: what `targets/releases` says goes before `targets`."""
    chosen: dict[str, Described] = {}
    for role in (TARGETS, RELEASES):
        if role in targets:
            chosen |= targets[role].targets
    found = {}
    for tag, target in sorted(chosen.items()):
        names = [
            role.removeprefix(f"{TARGETS}/")
            for role in sorted(targets)
            if role not in (TARGETS, RELEASES) and _same(targets[role].targets.get(tag), target)
        ]
        found[tag] = Signed(f"sha256:{target.hex}", target.length, tuple(names) or (REPOSITORY,))
    return found


def read(store: Reader, anchor: Anchor, now: datetime | None) -> Trusted:
    """Read and verify all metadata of a repository. `now` is what must not be past expiry; None: that is not asked.

    Raises Unsigned where there is none, TrustError where it is not to be trusted.
    """
    for attempt in range(_ATTEMPTS):
        start = store.read(TIMESTAMP)
        root = store.read(ROOT)
        if root is None:
            raise Unsigned(f"{store.gun} has no trust metadata", "sign it first: `imagemill trust init`")
        try:
            return _Reading(store, anchor, now).all(root, start)
        except TrustError:
            # a writer may be at work: its new root is there before the timestamp that belongs to it
            meant = _meant_root(store, start)
            if meant is not None and meant != root:
                with suppress(TrustError):
                    return _Reading(store, anchor, now).before(meant, start, root)
            if attempt == _ATTEMPTS - 1 or start == store.read(TIMESTAMP):
                raise
    raise AssertionError("unreachable")


def signed(store: Reader, anchor: Anchor, now: datetime) -> dict[str, Signed]:
    """The tags of a repository that are signed, verified from the root down. Raises as `read` does."""
    return read(store, anchor, now).tags


def _meant_root(store: Reader, timestamp: bytes | None) -> bytes | None:
    """The root that a timestamp means, of which nothing is verified yet."""
    try:
        first = parse(timestamp or b"", Timestamp, TIMESTAMP)[0].meta[SNAPSHOT].hex
        snapshot = parse(store.read(f"{SNAPSHOT}.{first}") or b"", Snapshot, SNAPSHOT)[0]
    except TrustError:
        return None
    return store.read(f"{ROOT}.{snapshot.meta[ROOT].hex}")


class _Reading:
    """One go at reading all."""

    def __init__(self, store: Reader, anchor: Anchor, now: datetime | None) -> None:
        self._store = store
        self._gun = store.gun
        self._anchor = anchor
        self._now = now
        self._files: dict[str, bytes] = {}

    def all(self, data: bytes, timestamp: bytes | None) -> Trusted:
        root = self._root(data)
        if timestamp is None:
            raise TrustError(f"{self._what(TIMESTAMP)} is not there", "see whether all its files were served")
        self._files[TIMESTAMP] = timestamp
        newest, signatures = parse(timestamp, Timestamp, self._what(TIMESTAMP))
        self._accept(TIMESTAMP, newest, signatures, root.keys_of(TIMESTAMP), root.roles[TIMESTAMP].threshold)
        snapshot, signatures = parse(self._meant(SNAPSHOT, newest.meta[SNAPSHOT]), Snapshot, self._what(SNAPSHOT))
        self._accept(SNAPSHOT, snapshot, signatures, root.keys_of(SNAPSHOT), root.roles[SNAPSHOT].threshold)
        if not snapshot.meta[ROOT].fits(self._files[ROOT]):
            raise TrustError(f"{self._what(ROOT)} is not the one that its snapshot means", "read it again later")
        top, signatures = parse(self._meant(TARGETS, snapshot.meta[TARGETS]), Targets, self._what(TARGETS))
        self._accept(TARGETS, top, signatures, root.keys_of(TARGETS), root.roles[TARGETS].threshold)
        targets, distrusted = {TARGETS: top}, dict[str, str]()
        self._delegations(TARGETS, top, ("",), snapshot, targets, distrusted)
        return Trusted(self._gun, root, newest, snapshot, targets, self._files, distrusted)

    def before(self, data: bytes, timestamp: bytes | None, newer: bytes) -> Trusted:
        """All that belongs to a root that has been followed already by a newer one, and by nothing else yet."""
        found = self.all(data, timestamp)
        self._next_root(found.root, newer, found.root.version + 1, self._what(ROOT))
        return found

    def _root(self, data: bytes) -> Root:
        """The newest root, signed by the one before it, and that by the one before, from the one that is known."""
        newest, _ = parse(data, Root, self._what(ROOT))
        known = (
            parse(self._anchor.root, Root, f"the root of {self._gun} that is known")[0] if self._anchor.root else None
        )
        if known is not None:
            if newest.version < known.version:
                raise TrustError(
                    f"{self._what(ROOT)} is of version {newest.version}, and {known.version} was there already",
                    "somebody serves old metadata: ask who runs it",
                )
            if newest.version == known.version and data != self._anchor.root:
                raise TrustError(
                    f"{self._what(ROOT)} is another one than was there before, of the same version",
                    "do not use it before its owner says why; then forget what is known of it",
                )
            if newest.version - known.version > _LONGEST_CHAIN:
                raise TrustError(
                    f"{self._what(ROOT)} is {newest.version - known.version} versions ahead", "ask its owner"
                )
            for version in range(known.version + 1, newest.version):
                between = self._store.read(f"{version}.{ROOT}")
                if between is None:
                    raise TrustError(
                        f"{self._what(f'{version}.{ROOT}')} is not there", "see whether all files are served"
                    )
                known = self._next_root(known, between, version, self._what(f"{version}.{ROOT}"))
            if newest.version > known.version:
                known = self._next_root(known, data, newest.version, self._what(ROOT))
        self._own_root(newest, data)
        self._files[ROOT] = data
        return newest

    def _next_root(self, before: Root, data: bytes, version: int, what: str) -> Root:
        root, signatures = parse(data, Root, what)
        keys = {name: key for name, key in before.keys_of(ROOT).items() if belongs(key, self._gun, None)}
        require(root, signatures, keys, before.roles[ROOT].threshold, f"{what}, by the root before it")
        require(root, signatures, root.keys_of(ROOT), root.roles[ROOT].threshold, what)
        if root.version != version:
            raise TrustError(f"{what} is of version {root.version}, not {version}", "ask its owner")
        return root

    def _own_root(self, root: Root, data: bytes) -> None:
        what = self._what(ROOT)
        keys = {name: key for name, key in root.keys_of(ROOT).items() if belongs(key, self._gun, self._now)}
        if not keys:
            raise TrustError(f"{what} has no key in a valid certificate of {self._gun}", "ask its owner")
        pinned = self._anchor.root_keys
        if pinned and not pinned & set(keys):
            shown = ", ".join(sorted(name[:12] for name in keys))
            raise TrustError(f"{what} has another root key ({shown}) than is trusted", "do not use it; ask its owner")
        if pinned:
            keys = {name: key for name, key in keys.items() if name in pinned}
        _, signatures = parse(data, Root, what)
        require(root, signatures, keys, root.roles[ROOT].threshold, what)
        self._in_date(root, what)

    def _delegations(
        self,
        parent: str,
        content: Targets,
        allowed: tuple[str, ...],
        snapshot: Snapshot,
        targets: dict[str, Targets],
        distrusted: dict[str, str],
    ) -> None:
        """Read what a role hands on. As for docker, one that lacks its signature or is past its time counts for
        nothing, and all others still count; but each must be the file that the snapshot means."""
        for role, (terms, keys) in content.delegated().items():
            if role.rpartition("/")[0] != parent or role in targets or role not in snapshot.meta:
                continue
            found, signatures = parse(self._meant(role, snapshot.meta[role]), Targets, self._what(role))
            self._not_older(role, found)
            paths = tuple(path for path in terms.paths or () if path.startswith(allowed))
            try:
                require(found, signatures, keys, terms.threshold, self._what(role))
                self._in_date(found, self._what(role))
                if not all(tag.startswith(paths) for tag in found.targets):
                    raise TrustError(f"{self._what(role)} signs tags that it may not", "ask its owner")
            except TrustError as error:
                distrusted[role] = error.message
                del self._files[role]
            else:
                targets[role] = found
                self._delegations(role, found, paths, snapshot, targets, distrusted)

    def _meant(self, role: str, described: Described) -> bytes:
        """The file of a role that another file means, by its digest."""
        data = self._store.read(f"{role}.{described.hex}")
        if data is None:
            raise TrustError(f"{self._what(role)} is not there as it should be", "see whether all files are served")
        if not described.fits(data):
            raise TrustError(f"{self._what(role)} is not the file that is meant", "it was changed: do not use it")
        self._files[role] = data
        return data

    def _accept(
        self, role: str, content: Content, signatures: list[Signature], keys: Mapping[str, PublicKey], threshold: int
    ) -> None:
        what = self._what(role)
        require(content, signatures, keys, threshold, what)
        self._not_older(role, content)
        self._in_date(content, what)

    def _not_older(self, role: str, content: Content) -> None:
        seen = self._anchor.versions.get(role, 0)
        if content.version < seen:
            raise TrustError(
                f"{self._what(role)} is of version {content.version}, and {seen} was there already",
                "somebody serves old metadata: ask who runs it",
            )

    def _in_date(self, content: Content, what: str) -> None:
        if self._now is not None and self._now >= expiry(content):
            raise TrustError(
                f"{what} expired at {content.expires}",
                "its owner must sign it anew: `imagemill trust refresh`; see that the clock is right",
            )

    def _what(self, role: str) -> str:
        return f"{role}.json of {self._gun}"


def _same(one: Described | None, other: Described) -> bool:
    return one is not None and one.hex == other.hex
