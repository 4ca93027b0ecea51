"""What came of verifying: one row a check and thing that was looked at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from imagemill.reports.summary import printable

Status = Literal["pass", "fail", "none"]
"""`none` is what the policy does not ask."""

_SIGNS = {"pass": "ok", "fail": "FAIL", "none": "-"}


@dataclass(frozen=True)
class Row:
    """What a check said of a thing (a platform, the tag), and for one that failed, what to do about it."""

    check: str
    about: str
    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Verdict:
    """An image and all rows about it. `digest` is empty where not even that is known."""

    reference: str
    digest: str
    rows: tuple[Row, ...]

    @property
    def failures(self) -> list[Row]:
        """The rows that failed."""
        return [row for row in self.rows if row.status == "fail"]

    @property
    def passed(self) -> bool:
        """Whether something passed and nothing failed."""
        return any(row.status == "pass" for row in self.rows) and not self.failures


def lines(verdict: Verdict) -> list[str]:
    """A verdict as plain lines, a row each."""
    return [
        printable(
            f"{_SIGNS[row.status]:4}  {row.check}{f' ({row.about})' if row.about else ''}: {row.found}"
            + (f"; {row.remedy}" if row.remedy and row.status == "fail" else "")
        )
        for row in verdict.rows
    ]


def cells(rows: Iterable[Row]) -> list[tuple[str, str, str, str]]:
    """Rows for a table: check, about, sign, what was found and is to be done."""
    return [
        (
            row.check,
            printable(row.about),
            _SIGNS[row.status],
            printable(row.found + (f"\n{row.remedy}" if row.status == "fail" else "")),
        )
        for row in rows
    ]


def to_json(verdicts: Sequence[Verdict]) -> str:
    """Verdicts as JSON."""
    data = [{**asdict(verdict), "passed": verdict.passed} for verdict in verdicts]
    return json.dumps(data, indent=1, sort_keys=True) + "\n"
