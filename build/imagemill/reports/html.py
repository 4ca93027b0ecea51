"""A report as one HTML page that needs nothing but itself: no network, no other file, and no JavaScript to be read.

With JavaScript there is a filter and a search. What stands in the page is made here; how it looks, in page.html.j2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from imagemill.conform.finding import Finding, Status
from imagemill.reports.behaviours import MARKS as OUTCOMES
from imagemill.reports.behaviours import matrix
from imagemill.reports.markdown import megabytes
from imagemill.reports.summary import STATUSES, Judged, Report, by_check, by_image, count, details, printable, worst

MARKS: Mapping[Status, str] = {"fail": "✗", "skip": "–", "info": "i", "pass": "✓"}


@dataclass(frozen=True)
class Cell:
    """What one check says of one image: its worst status, and where on the page it says so."""

    check: str
    status: Status
    anchor: str
    mark: str


@dataclass(frozen=True)
class Row:
    """One image: a row of the matrix (None where a check said nothing), a bar of the chart, a list of findings."""

    judged: Judged
    anchor: str
    counts: Mapping[Status, int]
    cells: Sequence[Cell | None]
    findings: Sequence[Told]
    megabytes: str
    percent: float
    """The size of the image, in percent of the largest one's."""


@dataclass(frozen=True)
class Told:
    """A finding and its details."""

    finding: Finding
    anchor: str
    details: Sequence[tuple[str, str]]


def to_html(report: Report) -> str:
    """The report as HTML."""
    images = by_image(report)
    checks = sorted({finding.check for finding in report.findings})
    largest = max([judged.size for judged, _ in images], default=0)
    return _template().render(
        report=report,
        statuses=STATUSES,
        marks=MARKS,
        outcomes=OUTCOMES,
        groups=_groups(checks),
        checks=checks,
        rows=[_row(f"i{n}", judged, found, checks, largest) for n, (judged, found) in enumerate(images, 1)],
        platforms=sorted({judged.platform for judged, _ in images}),
        matrix=matrix(report.behaviours),
    )


def _row(anchor: str, judged: Judged, found: Sequence[Finding], checks: Sequence[str], largest: int) -> Row:
    told = [Told(finding, f"{anchor}-{n}", details(finding)) for n, finding in enumerate(found, 1)]
    first: dict[str, str] = {}
    for one in told:  # the worst stand first
        first.setdefault(one.finding.check, one.anchor)
    cells = {}
    for check, findings in by_check(found).items():
        status = worst(findings)
        cells[check] = Cell(check, status, first[check], MARKS[status])
    percent = round(100 * judged.size / largest, 1) if largest else 0.0
    row = [cells.get(check) for check in checks]
    return Row(judged, anchor, count(found), row, told, megabytes(judged.size), percent)


def _groups(checks: Iterable[str]) -> list[tuple[str, int]]:
    """What stands before the dot in the names of checks, and how many checks have it."""
    found: dict[str, int] = {}
    for check in checks:
        group = check.partition(".")[0]
        found[group] = found.get(group, 0) + 1
    return list(found.items())


@cache
def _template() -> Template:
    surroundings = Environment(
        loader=PackageLoader("imagemill.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    surroundings.filters["printable"] = printable
    return surroundings.get_template("page.html.j2")
