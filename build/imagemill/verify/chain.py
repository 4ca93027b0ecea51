"""The check of Docker Content Trust: from a root key that is pinned to the digest that a tag is signed with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from imagemill.verify.case import Case
from imagemill.verify.verdict import Row

if TYPE_CHECKING:  # it takes a while to import, and most policies do without
    from imagemill.trust.reader import Anchor, Trusted
    from imagemill.trust.store import Reader


class Recording:
    """Reads trust metadata, and keeps what it read: what a bundle must have."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.gun = reader.gun
        self.files: dict[str, bytes] = {}

    def read(self, name: str) -> bytes | None:
        """A file by its name without `.json`; None where there is none."""
        data = self._reader.read(name)
        if data is not None:
            self.files[name] = data
        return data


class Files:
    """Trust metadata that a bundle has."""

    def __init__(self, gun: str, files: Mapping[str, bytes]) -> None:
        self.gun = gun
        self._files = files

    def read(self, name: str) -> bytes | None:
        """A file by its name without `.json`; None where there is none."""
        return self._files.get(name)


def read(reader: Reader, anchor: Anchor, roots: frozenset[str], now: datetime) -> Trusted:
    """All of it, verified from one of the pinned roots down and in date. Raises TrustError."""
    from imagemill.trust import reader as trust

    return trust.read(reader, replace(anchor, root_keys=roots), now)


def pinned(case: Case, trusted: Trusted | None) -> Iterator[Row]:
    """The tag is signed with this very digest, and no newer metadata was seen before."""
    if trusted is None:
        yield Row("trust", "", "none", "the policy pins no root key")
        return
    for role, reason in trusted.distrusted.items():
        # docker goes on with what `targets` says of the same tags, which may be an older image
        yield Row("trust", role, "fail", f"{role} counts for nothing: {reason}", "ask its publisher to sign it again")
        return
    until = min(trusted.timestamp.expires, trusted.snapshot.expires)[:10]
    names = [tag for tag, signed in trusted.tags.items() if signed.digest == case.root.digest]
    signed = trusted.tags.get(case.tag) if case.tag else next((trusted.tags[tag] for tag in names), None)
    if signed is None:
        what = f"the tag {case.tag}" if case.tag else case.root.digest
        yield Row("trust", case.tag, "fail", f"{what} is not signed in the trust metadata", "do not use it")
    elif signed.digest != case.root.digest or signed.size != case.root.size:
        found = f"the tag is {case.root.digest}, and signed is {signed.digest}"
        yield Row("trust", case.tag, "fail", found, "the tag was moved by somebody who may not sign: do not use it")
    else:
        yield Row("trust", case.tag, "pass", f"signed by {', '.join(signed.signers)}, in date until {until}")
