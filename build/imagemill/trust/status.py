"""The state of a repository's trust, for people and for programs: keys, versions, days left, signers, tags."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from imagemill.trust.keys import Named
from imagemill.trust.metadata import RELEASES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Content, PublicKey, expiry
from imagemill.trust.reader import Signed, Trusted
from imagemill.trust.signatures import canonical_id


@dataclass(frozen=True)
class KeyRow:
    """A key: its id in the metadata, that of its file, and who has it: `here`, `server`, or `elsewhere`."""

    id: str
    file: str
    held: str


@dataclass(frozen=True)
class RoleRow:
    """A role: its file's version and expiry, the days until then (less than 0 when it is past), and its keys."""

    role: str
    version: int
    expires: str
    days: int
    keys: tuple[KeyRow, ...]
    threshold: int
    wrong: str = ""


@dataclass(frozen=True)
class Status:
    """All that is shown."""

    gun: str
    roles: tuple[RoleRow, ...]
    tags: dict[str, Signed]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data; docker's names of the two administrative keys besides."""
        row = asdict(self)
        row["root_key"] = [key.id for key in self._of(ROOT)]
        row["repository_key"] = [key.id for key in self._of(TARGETS)]
        return row

    def _of(self, role: str) -> tuple[KeyRow, ...]:
        return next(row.keys for row in self.roles if row.role == role)


def status(trusted: Trusted, now: datetime, here: Collection[str], managed: Collection[str]) -> Status:
    """What to show of a repository. `here` are ids of keys at hand, `managed` the roles that the server may sign."""
    root = trusted.root

    def keys(found: dict[str, PublicKey], role: str) -> tuple[KeyRow, ...]:
        rows = []
        for name, key in sorted(found.items()):
            file = canonical_id(key)
            held = "here" if file in here else "server" if role in managed else "elsewhere"
            rows.append(KeyRow(name, file, held))
        return tuple(rows)

    def row(role: str, content: Content, found: dict[str, PublicKey], threshold: int, wrong: str = "") -> RoleRow:
        days = math.floor((expiry(content) - now).total_seconds() / 86400)
        return RoleRow(role, content.version, content.expires, days, keys(found, role), threshold, wrong)

    base: dict[str, Content] = {
        ROOT: root,
        TARGETS: trusted.targets[TARGETS],
        SNAPSHOT: trusted.snapshot,
        TIMESTAMP: trusted.timestamp,
    }
    rows = [row(role, content, root.keys_of(role), root.roles[role].threshold) for role, content in base.items()]
    for parent in sorted(trusted.targets):
        for role, (terms, found) in sorted(trusted.targets[parent].delegated().items()):
            if role in trusted.targets:
                rows.append(row(role, trusted.targets[role], found, terms.threshold))
            else:
                wrong = trusted.distrusted.get(role, "signs nothing yet")
                rows.append(RoleRow(role, 0, "", 0, keys(found, role), terms.threshold, wrong))
    return Status(trusted.gun, tuple(rows), trusted.tags)


def lines(found: Status) -> list[str]:
    """The status as text."""
    shown = [found.gun, ""]
    table = [("ROLE", "VERSION", "EXPIRES", "DAYS LEFT", "KEYS")]
    for row in found.roles:
        keys = ", ".join(f"{key.id[:12]} {key.held}" for key in row.keys)
        if row.wrong:
            table.append((row.role, "", row.wrong, "", keys))
        else:
            table.append((row.role, str(row.version), row.expires[:10], str(row.days), keys))
    shown += [*columns(table), ""]
    tags = [("SIGNED TAG", "DIGEST", "SIGNERS")]
    tags += [(tag, one.digest, f"({', '.join(one.signers)})") for tag, one in found.tags.items()]
    shown += [*columns(tags), ""]
    signers = [
        (row.role.removeprefix(f"{TARGETS}/"), ", ".join(key.id[:12] for key in row.keys))
        for row in found.roles
        if row.role.startswith(f"{TARGETS}/") and row.role != RELEASES
    ]
    if signers:
        shown += [*columns([("SIGNER", "KEYS"), *signers]), ""]
    for name, role in (("Repository Key", TARGETS), ("Root Key", ROOT)):
        shown += [f"{name}: {key.id}" for row in found.roles if row.role == role for key in row.keys]
    return shown


def key_lines(keys: Sequence[Named]) -> list[str]:
    """Key files as text."""
    return columns([("ROLE", "REPOSITORY", "KEY"), *((key.role, key.gun, key.id) for key in keys)])


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as columns that stand below each other."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
