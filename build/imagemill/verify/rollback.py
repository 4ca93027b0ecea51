"""Protection against what is old: what was verified before is remembered, and nothing older is taken after it.

One file a repository. It is written only once everything about an image was found good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from imagemill.errors import VerifyError
from imagemill.verify.case import Case
from imagemill.verify.verdict import Row
from imagemill.whole import replace_file

_MOST = 100  # digests that are remembered of one tag
_FORGET = "to begin anew remove the file"


class Seen(Struct, frozen=True, forbid_unknown_fields=True):
    """What a tag was: when its newest image was made, and the digests that it had, the last one last."""

    created: datetime
    digests: tuple[str, ...]


class Memory(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of the tags of one repository."""

    repository: str
    tags: Mapping[str, Seen] = {}


class Book:
    """The memory of one repository in a folder."""

    def __init__(self, folder: Path, repository: str) -> None:
        self.path = folder / f"{hashlib.sha256(repository.encode()).hexdigest()[:24]}.json"
        self.memory = self._read(repository)

    def _read(self, repository: str) -> Memory:
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=Memory)
        except FileNotFoundError:
            return Memory(repository)
        except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
            raise VerifyError(f"{self.path} is damaged: {error}", _FORGET) from None
        if found.repository != repository:
            raise VerifyError(f"{self.path} is of {found.repository}", _FORGET)
        return found

    def remember(self, memory: Memory) -> None:
        """Have this from now on."""
        if memory != self.memory:
            replace_file(self.path, msgspec.json.encode(memory))
            self.memory = memory


def newest(case: Case, book: Book, created: datetime) -> Iterator[Row]:
    """The tag is not what it was earlier; `created` is when the image says that it was made."""
    if not case.tag:
        yield Row("rollback", "", "none", "a digest was asked for")
        return
    seen = book.memory.tags.get(case.tag)
    digest = case.root.digest
    if seen is None:
        yield Row("rollback", case.tag, "pass", "seen for the first time")
    elif digest == seen.digests[-1]:
        yield Row("rollback", case.tag, "pass", "as it was when it was last verified")
    elif case.dated:
        found = f"it was {seen.digests[-1]}, and a date's tags are never moved"
        yield Row("rollback", case.tag, "fail", found, f"do not use it; {_FORGET} {book.path}")
    elif digest in seen.digests or created < seen.created:
        found = f"it is older than {seen.digests[-1]}, which it was already"
        yield Row("rollback", case.tag, "fail", found, f"somebody serves old images; {_FORGET} {book.path}")
    else:
        yield Row("rollback", case.tag, "pass", f"newer than {seen.digests[-1][:19]}")


def learned(case: Case, book: Book, created: datetime) -> Memory:
    """What is known after this image was found good."""
    memory = book.memory
    if not case.tag:
        return memory
    seen = memory.tags.get(case.tag, Seen(created, ()))
    if seen.digests[-1:] == (case.root.digest,):
        return memory
    digests = (*seen.digests, case.root.digest)[-_MOST:]
    return structs.replace(memory, tags={**memory.tags, case.tag: Seen(max(created, seen.created), digests)})
