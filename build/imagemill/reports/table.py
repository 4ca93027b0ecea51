"""A report for people at a terminal: a line for each image, and what fails or was skipped in detail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from click import style

from imagemill.conform.finding import Status
from imagemill.reports.summary import STATUSES, Outcome, Report, by_image, count, details, printable

_SHOWN: tuple[Status, ...] = ("fail", "skip")
_COLOURS: Mapping[Status | Outcome, str] = {
    "fail": "red", "skip": "yellow", "info": "cyan", "pass": "green", "inapplicable": "yellow",
}  # fmt: skip

_Cell = tuple[str, str]
"""A text, and its colour; `dim` is one, and empty is none."""


def to_lines(report: Report) -> Iterator[str]:
    """The report, with ANSI's colours: click takes them out where they cannot be shown."""
    images = by_image(report)
    rows: list[list[_Cell]] = []
    for judged, found in images:
        counts = count(found)
        cells = [(str(counts[s]), _COLOURS[s] if counts[s] else "dim") for s in STATUSES]
        note = ("cached", "dim") if judged.cached else ("", "")
        rows.append([(judged.image, ""), (judged.platform, ""), *cells, note])
    yield from _table(["image", "platform", *STATUSES, ""], rows)
    for _, found in images:
        for finding in found:
            if finding.status in _SHOWN:
                about = printable(f" {finding.image} {finding.platform} ")
                yield _coloured(finding.status) + about + style(printable(finding.check), bold=True)
                for label, value in details(finding):
                    yield f"  {label:<8} {value}"
    if report.behaviours:
        yield from _behaviours(report)
    total = ", ".join(f"{report.counts[status]} {status}" for status in STATUSES)
    yield f"{len(report.images)} images, {len(report.findings)} findings: {total}"
    if report.failed and not report.counts["fail"] and not any(b.status == "fail" for b in report.behaviours):
        yield style("FAIL: an image was not checked at all", fg="red", bold=True)


def _behaviours(report: Report) -> Iterator[str]:
    """What came of each case, a line for each runtime; then what failed, and why some cases do not apply."""
    from string import ascii_letters  # these are rarely wanted, and take a while

    from imagemill.reports.behaviours import MARKS, matrix

    found = matrix(report.behaviours)
    letters = dict(zip(ascii_letters, found.cases, strict=False))  # so that it fits 80 columns
    rows = [
        [
            (row.runtime, ""),
            (row.platform, ""),
            *((MARKS[cell.status], _COLOURS[cell.status]) if cell else ("", "") for cell in row.cells),
        ]
        for row in found.rows
    ]
    yield from _table(["runtime", "platform", *letters], rows)
    yield style(printable(", ".join(f"{letter} {case}" for letter, case in letters.items())), dim=True)
    for behaviour in sorted(b for b in report.behaviours if b.status == "fail"):
        about = printable(f" {behaviour.runtime} {behaviour.platform} ")
        yield _coloured("fail") + about + style(printable(behaviour.case), bold=True)
        yield f"  {printable(behaviour.reason)}"
    for reason in found.reasons:
        about = f"{reason.case} ({', '.join(reason.runtimes)})"
        yield style(printable(f"{MARKS['inapplicable']} {about}: {reason.reason}"), dim=True)


def _coloured(status: Status) -> str:
    return style(status.upper(), fg=_COLOURS[status], bold=status == "fail" or None)


def _table(head: Sequence[str], rows: Sequence[Sequence[_Cell]]) -> Iterator[str]:
    """Columns as wide as what stands in them."""
    texts = [head, *([printable(text) for text, _ in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=False)]
    yield "  ".join(style(f"{text:<{width}}", bold=True) for text, width in zip(head, widths, strict=False)).rstrip()
    for row in rows:
        cells = (
            style(f"{printable(text):<{width}}", fg=None if colour == "dim" else colour, dim=colour == "dim" or None)
            if colour
            else f"{printable(text):<{width}}"
            for (text, colour), width in zip(row, widths, strict=False)
        )
        yield "  ".join(cells).rstrip()
