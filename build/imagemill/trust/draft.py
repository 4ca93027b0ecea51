"""A change of one repository's metadata: from what was read, over what shall be, to the files that say so, signed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from imagemill.errors import TrustError
from imagemill.trust.keyring import Keyring
from imagemill.trust.metadata import (
    BASE_ROLES,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Content,
    Delegated,
    Delegations,
    Described,
    Keys,
    PublicKey,
    Snapshot,
    Targets,
    Timestamp,
    moment,
    parse,
    spelled,
)
from imagemill.trust.reader import Trusted
from imagemill.trust.signatures import canonical_id, sign
from imagemill.trust.signer import Signer
from imagemill.trust.store import Store


@dataclass(frozen=True)
class Lifetimes:
    """How long files are good for after they are signed, in days. The defaults are docker's."""

    root: int = 3650
    targets: int = 1095
    snapshot: int = 1095
    timestamp: int = 14

    def end(self, role: str, now: datetime) -> str:
        """When a file of this role expires that is signed now."""
        base = role.partition("/")[0]
        return moment(now + timedelta(days=int(getattr(self, base))))


class Draft:
    """What shall be: changed at will, then `files` makes and signs what is not as `before`."""

    def __init__(self, store: Store, keyring: Keyring, lifetimes: Lifetimes, now: datetime, before: Trusted) -> None:
        self._store = store
        self._keyring = keyring
        self._lifetimes = lifetimes
        self._now = now
        self.before = before
        self.root = before.root
        self.targets: dict[str, Targets] = dict(before.targets)
        self._again: set[str] = set()

    def again(self, roles: Collection[str]) -> None:
        """Have these roles signed anew although nothing changes in them."""
        self._again |= set(roles)

    def add(self, role: str, targets: Mapping[str, Described]) -> None:
        """Add tags to a role, or replace them."""
        old = self.targets.get(role)
        kept = dict(old.targets) if old else {}
        if old is None or {**kept, **targets} != kept:
            self.targets[role] = replace(self._blank(role, old), targets={**kept, **targets})

    def remove(self, role: str, tags: Collection[str]) -> None:
        """Take tags out of a role."""
        old = self.targets[role]
        if set(tags) & set(old.targets):
            self.targets[role] = replace(old, targets={t: one for t, one in old.targets.items() if t not in tags})

    def set_keys(self, role: str, keys: Mapping[str, PublicKey]) -> None:
        """Give a role of the root these keys, and no others."""
        roles = {**self.root.roles, role: Keys(sorted(keys), self.root.roles[role].threshold)}
        used = {name for one in roles.values() for name in one.keyids}
        self.root = replace(
            self.root, roles=roles, keys={name: key for name, key in {**self.root.keys, **keys}.items() if name in used}
        )

    def delegate(self, role: str, keys: Mapping[str, PublicKey]) -> None:
        """Have `targets` hand all tags on to a role with these keys; without keys, no longer."""
        top = self.targets[TARGETS]
        rest = [one for one in top.delegations.roles or () if one.name != role]
        if keys:
            rest.append(Delegated(sorted(keys), role, 1, [""]))
        known = {**(top.delegations.keys or {}), **keys}
        used = {name for one in rest for name in one.keyids}
        self.targets[TARGETS] = replace(
            top, delegations=Delegations({name: key for name, key in known.items() if name in used}, rest)
        )
        if not keys:
            self.targets.pop(role, None)

    def files(self) -> dict[str, bytes]:
        """The files that change, by role; those that the store signs itself are left to it. Raises TrustError."""
        made: dict[str, bytes] = {}
        if self.root != self.before.root or ROOT in self._again:
            root = replace(self.root, version=self.before.root.version + 1, expires=self._end(ROOT))
            keys = {**self.before.root.keys_of(ROOT), **root.keys_of(ROOT)}
            made[ROOT] = self._signed(ROOT, root, keys, everyone=True)
            self.root = root
        changed_keys = {role for role in BASE_ROLES if self.root.roles[role] != self.before.root.roles[role]}
        again = self._again | changed_keys
        for role in sorted(self.targets):
            old = self.before.targets.get(role)
            if old == self.targets[role] and role not in again:
                continue
            content = replace(self.targets[role], version=self._version(role) + 1, expires=self._end(role))
            made[role] = self._signed(role, content, self.keys_of(role))
            self.targets[role] = content
        if made or again:
            made |= self._snapshot(made, again)
        return made

    def keys_of(self, role: str) -> dict[str, PublicKey]:
        """The keys that a role may be signed with, by their ids."""
        if role in self.root.roles:
            return self.root.keys_of(role)
        terms = self.targets[role.rpartition("/")[0]].delegated()
        if role not in terms:
            raise TrustError(f"{role} is no delegation of {self.before.gun}", "add it: `imagemill trust delegate add`")
        return terms[role][1]

    def signs(self, role: str) -> bool:
        """Whether a role is ours to sign: the store does not, or its key is here, as `notary init` has it."""
        ours = any(self._keyring.find(canonical_id(key)) for key in self.root.keys_of(role).values())
        return role not in self._store.managed or (role == SNAPSHOT and ours)

    def _snapshot(self, made: Mapping[str, bytes], again: Collection[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        before = self.before
        described = Described.of(before.files[SNAPSHOT])
        if self.signs(SNAPSHOT) and (made or SNAPSHOT in again):
            meta = {**before.snapshot.meta, **{role: Described.of(data) for role, data in made.items()}}
            snapshot = Snapshot(meta=meta, version=before.snapshot.version + 1, expires=self._end(SNAPSHOT))
            found[SNAPSHOT] = self._signed(SNAPSHOT, snapshot, self.root.keys_of(SNAPSHOT))
            described = Described.of(found[SNAPSHOT])
        if self.signs(TIMESTAMP):
            version = before.timestamp.version + 1
            timestamp = Timestamp(meta={SNAPSHOT: described}, version=version, expires=self._end(TIMESTAMP))
            found[TIMESTAMP] = self._signed(TIMESTAMP, timestamp, self.root.keys_of(TIMESTAMP))
        return found

    def _signed(self, role: str, content: Content, keys: Mapping[str, PublicKey], *, everyone: bool = False) -> bytes:
        return signed_file(self._keyring, role, self.before.gun, content, keys, everyone=everyone)

    def _version(self, role: str) -> int:
        """The highest version there was of a role: of one that was taken away and comes back, too."""
        old = self.before.targets.get(role)
        if old is not None:
            return old.version
        meant = self.before.snapshot.meta.get(role)
        data = self._store.read(f"{role}.{meant.hex}") if meant else None
        return parse(data, Targets, f"{role}.json")[0].version if data else 0

    def _blank(self, role: str, old: Targets | None) -> Targets:
        return old or Targets(expires=self._end(role), targets={}, version=1)

    def _end(self, role: str) -> str:
        return self._lifetimes.end(role, self._now)


def signed_file(
    keyring: Keyring,
    role: str,
    gun: str,
    content: Content,
    keys: Mapping[str, PublicKey],
    *,
    everyone: bool = False,
) -> bytes:
    """A file with the signatures of those of `keys` that the ring has; with `everyone`, of all, and else TrustError."""
    signers: dict[str, Signer] = {}
    missing = []
    for name, key in keys.items():
        signer = keyring.find(canonical_id(key))
        if signer is None:
            missing.append(canonical_id(key))
        else:
            signers[name] = signer
    if not signers or (everyone and missing):
        raise TrustError(
            f"{role}.json of {gun} must be signed with {' or '.join(f'key {name[:12]}' for name in missing)}, "
            "which is not here",
            f"have its file in {keyring.place}, or sign where it is",
        )
    return spelled(content, sign(content, signers))
