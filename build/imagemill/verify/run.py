"""All checks of an image, one after the other; what goes wrong in one is a row that failed, and never a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imagemill.errors import ImagemillError
from imagemill.verify import chain, claims, content, rollback, signatures
from imagemill.verify.case import Case, open_case
from imagemill.verify.policy import Policy, public_keys
from imagemill.verify.source import Source
from imagemill.verify.verdict import Row, Verdict

if TYPE_CHECKING:
    from imagemill.trust.store import Reader

_AT_ONCE = 8
_NO_ROOM = "see that it can be written, and that TMPDIR has room for the image, unpacked"
_HOSTILE = "it is damaged or hostile: do not use it"


@dataclass(frozen=True)
class Means:
    """What verifying needs of the outside.

    `trust` reads the trust metadata that the policy pins roots of; `folder` is an empty one to work in. `memory` is
    the folder where it is kept what was verified before; None where nothing is remembered.
    """

    source: Source
    trust: Reader | None
    folder: Path
    memory: Path | None
    now: datetime


def verify(reference: str, policy: Policy, means: Means) -> Verdict:
    """Verify what a tag or digest of the source means. Raises VerifyError where the policy has no key."""
    return examine(reference, policy, means)[0]


def examine(reference: str, policy: Policy, means: Means) -> tuple[Verdict, Case | None]:
    """The same, with what was looked at; None where not even that can be read."""
    keys = public_keys(policy)
    shown = f"{means.source.name}{'@' if ':' in reference else ':'}{reference}"
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rows: list[Row] = []
        try:
            case = open_case(means.source, reference, policy, keys, means.now, means.folder, pool)
        except Exception as error:
            return Verdict(shown, "", (_failed("image", error),)), None
        checks: list[tuple[str, Callable[[], Iterable[Row]]]] = [
            ("signature", lambda: signatures.signed(case)),
            ("name", lambda: signatures.named(case)),
            ("trust", lambda: _trusted(case, policy, means)),
            ("platforms", lambda: signatures.complete(case)),
            ("provenance", lambda: claims.provenance(case)),
            ("report", lambda: claims.reported(case)),
            ("bytes", lambda: content.whole(case, pool)),
        ]
        for name, check in checks:
            rows += _guarded(name, check)
        if any(row.check == "bytes" and row.status == "fail" for row in rows):
            rows.append(Row("sbom", "", "fail", "not looked at: the bytes are not whole"))
        else:
            rows += _guarded("sbom", lambda: content.listed(case))
            rows += _guarded("age", lambda: signatures.fresh(case))
            rows += _remembered(case, means, not any(row.status == "fail" for row in rows))
    return Verdict(shown, case.root.digest, tuple(rows)), case


def _guarded(name: str, check: Callable[[], Iterable[Row]]) -> list[Row]:
    try:
        return list(check())
    except Exception as error:
        return [_failed(name, error)]


def _failed(name: str, error: Exception) -> Row:
    """The row of a check that went wrong: what it reads is anybody's, and nothing that goes wrong may pass."""
    match error:
        case ImagemillError():
            return Row(name, "", "fail", error.message, error.remedy)
        case OSError():  # of this machine: everything that comes from elsewhere has errors of its own
            return Row(name, "", "fail", f"{error.filename or 'a file'}: {error.strerror}", _NO_ROOM)
    return Row(name, "", "fail", f"it cannot be read: {error!r}"[:300], _HOSTILE)


def _trusted(case: Case, policy: Policy, means: Means) -> Iterable[Row]:
    if policy.trust is None:
        return chain.pinned(case, None)
    if means.trust is None:
        return [Row("trust", "", "fail", "there is no trust metadata", "make the bundle with the same policy")]
    from imagemill.trust.memory import Memory
    from imagemill.trust.reader import Anchor

    roots = frozenset(policy.trust.roots)
    memory = Memory(means.memory, means.trust.gun) if means.memory else None
    trusted = chain.read(means.trust, memory.anchor(roots) if memory else Anchor(), roots, means.now)
    rows = list(chain.pinned(case, trusted))
    if memory is not None:
        memory.keep(trusted)
    return rows


def _remembered(case: Case, means: Means, good: bool) -> list[Row]:
    """Protection against older ones; what is good is remembered."""
    if means.memory is None:
        return [Row("rollback", "", "none", "nothing is remembered")]
    memory = means.memory

    def check() -> list[Row]:
        book = rollback.Book(memory / "verified", case.repository)
        created = max(signatures.created(case, image.digest) for image in case.images)
        rows = list(rollback.newest(case, book, created))
        if good and all(row.status != "fail" for row in rows):
            book.remember(rollback.learned(case, book, created))
        return rows

    return _guarded("rollback", check)
