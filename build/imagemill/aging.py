"""A lock that has aged never stops a build: what the archive dropped is resolved again, loudly, and kept.

The committed lock is never changed by a build. What a build had to resolve again is kept in the state
directory, together with the hash of the committed lock that it belongs to, so that the next build starts
from there and a new committed lock makes it void.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagemill import lock as locks
from imagemill.lock import DebianPackage, Item, Lock
from imagemill.whole import replace_file

if TYPE_CHECKING:
    from imagemill.fetch import Fetcher

Refresh = Callable[[Lock, Sequence[DebianPackage]], tuple[Lock, list[str]]]
EXACT = "exact"


@dataclass(frozen=True)
class Effective:
    """The lock that a build uses, and what it says of itself: `exact`, or what had to be resolved again."""

    lock: Lock
    changes: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """For labels and reports."""
        return "refreshed: " + "; ".join(self.changes) if self.changes else EXACT


class Aging:
    """The locks of one checkout as builds use them. With `locked`, only what is committed counts."""

    def __init__(self, root: Path, state: Path, *, locked: bool) -> None:
        self._root = root
        self._folder = state / "refreshed"
        self._locked = locked

    def effective(self, base: str) -> Effective:
        """The lock of a base, with what earlier builds had to resolve again."""
        committed = locks.path_of(self._root, base)
        lock = locks.read(committed)
        note = self._folder / f"{base}.note.json"
        if self._locked or not note.is_file():
            return Effective(lock)
        row = json.loads(note.read_bytes())
        if row["committed"] != _hash(committed):
            return Effective(lock)
        return Effective(locks.read(self._folder / f"{base}.json"), tuple(row["changes"]))

    def fetch(
        self, fetcher: Fetcher, items: Iterable[Item], effective: Effective, refresh: Refresh
    ) -> tuple[Effective, bool]:
        """Bring inputs into the cache. Returns the lock that holds now, and whether it had to change.

        Raises Gone, which names the packages, when the lock is to be taken as it is (`locked`).
        """
        from imagemill.fetch import Gone

        try:
            fetcher.fetch(items, effective.lock.date)
        except Gone as gone:
            if self._locked:
                raise
            dropped = [item for item in gone.items if isinstance(item, DebianPackage)]
            if len(dropped) < len(gone.items):
                raise
            lock, changes = refresh(effective.lock, dropped)
            renewed = Effective(lock, (*effective.changes, *changes))
            self._keep(renewed)
            return renewed, True
        return effective, False

    def _keep(self, effective: Effective) -> None:
        base = effective.lock.base
        note = self._folder / f"{base}.note.json"
        note.unlink(missing_ok=True)  # it comes last: without it, the committed lock holds
        locks.write(effective.lock, self._folder / f"{base}.json")
        row = {"committed": _hash(locks.path_of(self._root, base)), "changes": effective.changes}
        replace_file(note, json.dumps(row).encode())


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
