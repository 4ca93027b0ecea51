"""The first metadata of a repository: its keys, an empty list of tags."""

from __future__ import annotations

from imagemill.errors import TrustError
from imagemill.trust.draft import signed_file
from imagemill.trust.keyring import Keyring
from imagemill.trust.metadata import (
    BASE_ROLES,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Described,
    Keys,
    PublicKey,
    Root,
    Snapshot,
    Targets,
    Timestamp,
)
from imagemill.trust.reader import Trusted
from imagemill.trust.repository import Repository
from imagemill.trust.signatures import plain
from imagemill.trust.signer import Signer


def found(repository: Repository, root: str = "") -> Trusted:
    """Make what a repository needs that has no trust metadata yet, and write it.

    The root key is the one with the id `root`, else the one in the trust directory, which serves for many
    repositories, else it is made.
    Keys are kept before anything is written, and those of a run that was broken off are used. Raises TrustError.
    """
    store, keyring = repository.store, repository.keyring
    with store.alone():
        if store.read(ROOT) is not None:
            raise TrustError(f"{store.gun} has trust metadata already", "see `imagemill trust status`")
        if repository.memory.anchor().root:
            raise TrustError(
                f"{store.gun} had trust metadata, which is gone",
                f"restore it; or, to begin anew with a root that nobody trusts yet, remove {repository.memory.place}",
            )
        keys = {ROOT: repository.certified(keyring.have(root) if root else _own_root(keyring))}
        for role in (TARGETS, SNAPSHOT, TIMESTAMP):
            keys[role] = store.key(role) if role in store.managed else plain(_own(keyring, role, store.gun))
        store.write(_files(repository, keys))
    return repository.read()


def _files(repository: Repository, keys: dict[str, PublicKey]) -> dict[str, bytes]:
    store, keyring, end = repository.store, repository.keyring, repository.lifetimes.end
    now = repository.clock()
    made: dict[str, bytes] = {}
    root = Root(
        expires=end(ROOT, now),
        keys={key.id: key for key in keys.values()},
        roles={role: Keys([keys[role].id], 1) for role in BASE_ROLES},
        version=1,
    )
    made[ROOT] = signed_file(keyring, ROOT, store.gun, root, root.keys_of(ROOT))
    targets = Targets(expires=end(TARGETS, now), targets={}, version=1)
    made[TARGETS] = signed_file(keyring, TARGETS, store.gun, targets, root.keys_of(TARGETS))
    if SNAPSHOT not in store.managed:
        meta = {role: Described.of(data) for role, data in made.items()}
        snapshot = Snapshot(expires=end(SNAPSHOT, now), meta=meta, version=1)
        made[SNAPSHOT] = signed_file(keyring, SNAPSHOT, store.gun, snapshot, root.keys_of(SNAPSHOT))
    if TIMESTAMP not in store.managed:
        newest = Timestamp(expires=end(TIMESTAMP, now), meta={SNAPSHOT: Described.of(made[SNAPSHOT])}, version=1)
        made[TIMESTAMP] = signed_file(keyring, TIMESTAMP, store.gun, newest, root.keys_of(TIMESTAMP))
    return made


def _own_root(keyring: Keyring) -> Signer:
    there = [named for named in keyring.listed() if named.role == ROOT]
    if len(there) > 1:
        names = ", ".join(named.id[:12] for named in there)
        raise TrustError(f"{keyring.place} has several root keys: {names}", "say which one: --root-key ID")
    return keyring.have(there[0].id) if there else keyring.make(ROOT)


def _own(keyring: Keyring, role: str, gun: str) -> Signer:
    for named in keyring.listed():
        if (named.role, named.gun) == (role, gun):
            return keyring.have(named.id)
    return keyring.make(role, gun)
