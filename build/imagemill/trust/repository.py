"""What one does with a repository's trust: make it, sign tags, hand on, rotate keys, keep it in date.

Each change is made of what was just read and verified, is verified itself before it is written where that is
possible, and read back. Where somebody else wrote in between, it is made again of what is there then.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from imagemill.errors import TrustError
from imagemill.trust.draft import Draft, Lifetimes
from imagemill.trust.keyring import Keyring
from imagemill.trust.memory import Memory
from imagemill.trust.metadata import (
    RELEASES,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Described,
    PublicKey,
    Targets,
    expiry,
    is_delegation,
    is_tag,
    parse,
)
from imagemill.trust.reader import Anchor, Trusted, read, released
from imagemill.trust.signatures import canonical_id, plain, require, root_key
from imagemill.trust.signer import Signer
from imagemill.trust.store import Conflict, Reader, Store, Unsure

_ATTEMPTS = 12  # of a change that others come in between of
Change = Callable[[Draft], None]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Repository:
    """One repository's trust: where its metadata is, the keys at hand, what was seen last."""

    store: Store
    keyring: Keyring
    memory: Memory
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    root_keys: frozenset[str] = frozenset()  # pinned: one of them must be in the root
    clock: Callable[[], datetime] = _now
    pause: Callable[[float], None] = field(default=time.sleep)

    def read(self) -> Trusted:
        """All metadata, verified, and remembered. Raises TrustError, and Unsigned where there is none."""
        found = read(self.store, self._anchor, self.clock())
        self.memory.keep(found)
        return found

    def sign(self, tags: Mapping[str, tuple[str, int]], roles: Sequence[str] = ()) -> Trusted:
        """Sign tags, each as the digest (`sha256:…`) and size of its manifest or index; all others stay as they are.

        Without `roles`: the delegations whose keys are here, and `targets/releases`; else `targets`.
        Raises TrustError.
        """
        for tag, (digest, size) in tags.items():
            if not is_tag(tag) or not _is_digest(digest) or size < 1:
                raise TrustError(
                    f"{tag!r} with {digest}, {size} bytes, is no tag of an image", "correct what is signed"
                )
        targets = {tag: Described.target(digest, size) for tag, (digest, size) in tags.items()}

        def change(draft: Draft) -> None:
            for role in roles or self._signing(draft):
                draft.add(role, targets)
            view = released(draft.targets)
            for tag, (digest, _) in tags.items():
                if tag not in view or view[tag].digest != digest:
                    raise TrustError(
                        f"{tag} of {self.store.gun} is signed as something else in {RELEASES}, which goes before",
                        f"sign it there, with the key of a delegation; or revoke {tag} first",
                    )

        after = self._changed(change)
        for tag, (digest, _) in tags.items():
            if tag not in after.tags or after.tags[tag].digest != digest:
                raise TrustError(
                    f"{tag} of {self.store.gun} was signed as something else meanwhile", "see who else does"
                )
        return after

    def revoke(self, tags: Collection[str]) -> Trusted:
        """Take the signatures of tags away, from all roles whose keys are here. Raises TrustError where one stays."""

        def change(draft: Draft) -> None:
            for role in list(draft.targets):
                if set(tags) & set(draft.targets[role].targets):
                    draft.remove(role, tags)

        return self._changed(change, losing=frozenset(tags))

    def delegate(self, name: str, key: bytes) -> Trusted:
        """Let `name` sign all tags with this key (DER): in `targets/NAME` and `targets/releases`, as docker does it."""
        if not is_delegation(f"{TARGETS}/{name}") or "/" in name or f"{TARGETS}/{name}" == RELEASES:
            raise TrustError(f"{name!r} is no name that Notary knows", "use small letters, digits, - and _")
        public = PublicKey.of("ecdsa", key)

        def change(draft: Draft) -> None:
            for role in (f"{TARGETS}/{name}", RELEASES):
                terms = draft.targets[TARGETS].delegated().get(role)
                draft.delegate(role, {**(terms[1] if terms else {}), public.id: public})

        return self._changed(change)

    def undelegate(self, name: str, *, adopt: bool = False, drop: bool = False) -> Trusted:
        """Let `name` sign no longer. Tags that nobody else signs are signed with the repository key (`adopt`), or no
        longer (`drop`); with neither, TrustError names them."""
        role = f"{TARGETS}/{name}"
        gone: set[str] = set()  # filled by each go at it

        def change(draft: Draft) -> None:
            before = released(draft.targets)
            ended = draft.keys_of(role)
            others = draft.targets[TARGETS].delegated()
            kept = {id_ for other, (_, keys) in others.items() if other not in (role, RELEASES) for id_ in keys}
            releases = others[RELEASES][1] if RELEASES in others else {}
            rest = {id_: key for id_, key in releases.items() if id_ in kept or id_ not in ended}
            draft.delegate(role, {})
            draft.delegate(RELEASES, rest)
            if rest and any(self.keyring.find(canonical_id(key)) for key in rest.values()):
                draft.again({RELEASES})  # it may have been signed by the one who goes
            elif rest and not _is_signed(draft.before, RELEASES, rest):
                draft.targets.pop(RELEASES, None)  # until one of the others signs it
            view = released(draft.targets)
            only = {tag for tag, one in before.items() if one.signers == (name,)}
            if only and not adopt and not drop:
                raise TrustError(
                    f"nobody but {name} signs {', '.join(sorted(only))}",
                    "say whether the repository key adopts these tags (--adopt) or they are signed no more (--drop)",
                )
            if drop:
                for other in list(draft.targets):
                    draft.remove(other, only)
                gone.update(only)
            # what others sign too would be lost with their list of releases
            kept_on = {tag for tag in before if (tag in only and adopt) or (tag not in only and tag not in view)}
            if kept_on:
                adopted = {tag: Described.target(before[tag].digest, before[tag].size) for tag in kept_on}
                draft.add(TARGETS, adopted)

        return self._changed(change, losing=gone)

    def rotate(self, role: str, key: str = "") -> Trusted:
        """Give a role a new key, or the one with this id, and no other; the root key signs that. Raises TrustError."""
        new: list[PublicKey] = []

        def change(draft: Draft) -> None:
            if not new:
                new.append(self._new_key(role, key, managed=not draft.signs(role)))
            draft.set_keys(role, {new[0].id: new[0]})

        return self._changed(change)

    def refresh(self, roles: Collection[str] = ()) -> Trusted:
        """Sign `roles` anew, and what is above them: the snapshot where half its time is over, and the timestamp."""

        def change(draft: Draft) -> None:
            left = expiry(draft.before.snapshot) - self.clock()
            old = draft.signs(SNAPSHOT) and left < timedelta(days=self.lifetimes.snapshot) / 2
            draft.again({*roles, TIMESTAMP, *((SNAPSHOT,) if old else ())})

        return self._changed(change)

    def _changed(self, change: Change, losing: Collection[str] = ()) -> Trusted:
        """Make a change until it is there. Raises TrustError where it cannot be, or would lose tags but `losing`."""
        for attempt in range(_ATTEMPTS):
            with self.store.alone():
                before = read(self.store, self._anchor, None)
                if TIMESTAMP in self.store.managed and expiry(before.timestamp) <= self.clock():
                    raise TrustError(f"the timestamp of {self.store.gun} is out of date", "ask who runs the server")
                draft = Draft(self.store, self.keyring, self.lifetimes, self.clock(), before)
                change(draft)
                files = draft.files()
                if not files:
                    return self.read()
                self._rehearse(before, files, losing)
                try:
                    self.store.write(files)
                except (Conflict, Unsure) as error:
                    # what was written after all is found when it is read again, and then nothing is left to change;
                    # where nobody else wrote, the server just does not want it
                    same = self.store.read(TIMESTAMP) == before.files[TIMESTAMP]
                    if attempt == _ATTEMPTS - 1 or (same and isinstance(error, Conflict)):
                        raise
                else:
                    after = self.read()
                    self._require(before, after, losing)
                    return after
            self.pause(random.uniform(0.02, 0.1) * 2 ** min(attempt, 5))  # noqa: S311 - so that two do not keep step
        raise AssertionError("unreachable")

    def _rehearse(self, before: Trusted, files: Mapping[str, bytes], losing: Collection[str]) -> None:
        """Read what would be there after writing. Of a server that signs itself, only its answer tells that."""
        if TIMESTAMP not in self.store.managed:
            self._require(before, read(_Overlay(self.store, files), self._anchor, self.clock()), losing)

    def _require(self, before: Trusted, after: Trusted, losing: Collection[str]) -> None:
        """Raise TrustError where tags are signed no more that should be."""
        in_date = {role: content for role, content in before.targets.items() if expiry(content) > self.clock()}
        lost = sorted(set(released(in_date)) - set(after.tags) - set(losing))
        if lost:
            why = "; ".join(after.distrusted.values())
            raise TrustError(
                f"{', '.join(lost)} would be signed no more{': ' if why else ''}{why}",
                "sign them again with a key that is trusted, or revoke them",
            )

    def _signing(self, draft: Draft) -> list[str]:
        """The roles that docker would sign in with the keys that are here."""
        mine = [
            role
            for role, (_, keys) in draft.targets[TARGETS].delegated().items()
            if any(self.keyring.find(canonical_id(key)) for key in keys.values())
        ]
        return sorted(mine) if len(mine) > 1 and RELEASES in mine else [TARGETS]

    def _new_key(self, role: str, key: str, *, managed: bool) -> PublicKey:
        if managed:
            return self.store.key(role, new=True)
        signer = self.keyring.have(key) if key else self.keyring.make(role, "" if role == ROOT else self.store.gun)
        return self.certified(signer) if role == ROOT else plain(signer)

    def certified(self, signer: Signer) -> PublicKey:
        """A root key in a certificate of this repository, from now on."""
        now = self.clock()
        return root_key(signer, self.store.gun, now, now + timedelta(days=self.lifetimes.root))

    @property
    def _anchor(self) -> Anchor:
        return self.memory.anchor(self.root_keys)


class _Overlay:
    """A store as it will be when these files are written."""

    def __init__(self, store: Reader, files: Mapping[str, bytes]) -> None:
        self.gun = store.gun
        self._store = store
        self._files = {
            name: data for role, data in files.items() for name in (role, f"{role}.{Described.of(data).hex}")
        }

    def read(self, name: str) -> bytes | None:
        return self._files.get(name) or self._store.read(name)


def _is_digest(text: str) -> bool:
    return re.fullmatch("sha256:[0-9a-f]{64}", text) is not None


def _is_signed(trusted: Trusted, role: str, keys: Mapping[str, PublicKey]) -> bool:
    """Whether a role's file is signed with one of these keys."""
    with suppress(TrustError, KeyError):
        content, signatures = parse(trusted.files[role], Targets, role)
        require(content, signatures, keys, 1, role)
        return True
    return False
