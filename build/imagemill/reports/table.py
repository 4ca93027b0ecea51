"""A report for people at a terminal: a line for each image, and what fails or was skipped in detail."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_letters

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagemill.conform.finding import Status
from imagemill.reports.behaviours import MARKS, matrix
from imagemill.reports.summary import STATUSES, Report, by_image, count, details

_SHOWN: tuple[Status, ...] = ("fail", "skip")
_COLOURS: Mapping[str, str] = {
    "fail": "bold red", "skip": "yellow", "info": "cyan", "pass": "green", "inapplicable": "yellow",
}  # fmt: skip


def show(report: Report, console: Console) -> None:
    """Print the report to `console`, which has colours where it is a terminal."""
    images = by_image(report)
    table = Table("image", "platform", *STATUSES, "", box=None, pad_edge=False, header_style="bold")
    for judged, found in images:
        counts = count(found)
        cells = [Text(str(counts[s]), style=_COLOURS[s] if counts[s] else "dim") for s in STATUSES]
        note = Text("cached" if judged.cached else "", style="dim")
        table.add_row(Text(judged.image), Text(judged.platform), *cells, note)
    console.print(table)
    for judged, found in images:
        for finding in found:
            if finding.status in _SHOWN:
                head = (finding.status.upper(), _COLOURS[finding.status])
                about = f" {judged.image} {judged.platform} "
                console.print(Text.assemble(head, about, (finding.check, "bold")), soft_wrap=True)
                for label, value in details(finding):
                    console.print(Text(f"  {label:<8} {value}"), soft_wrap=True)
    if report.behaviours:
        _behaviours(report, console)
    total = ", ".join(f"{report.counts[status]} {status}" for status in STATUSES)
    console.print(f"{len(report.images)} images, {len(report.findings)} findings: {total}", highlight=False)
    if report.failed and not report.counts["fail"] and not any(b.status == "fail" for b in report.behaviours):
        console.print(Text("FAIL: an image was not checked at all", style=_COLOURS["fail"]))


def _behaviours(report: Report, console: Console) -> None:
    """What came of each case, a line for each runtime; then what failed, and why some cases do not apply."""
    found = matrix(report.behaviours)
    letters = dict(zip(ascii_letters, found.cases, strict=False))  # so that it fits 80 columns
    table = Table("runtime", "platform", *letters, box=None, pad_edge=False, header_style="bold")
    for row in found.rows:
        cells = [Text(MARKS[cell.status], style=_COLOURS[cell.status]) if cell else Text("") for cell in row.cells]
        table.add_row(Text(row.runtime), Text(row.platform), *cells)
    console.print(table)
    legend = ", ".join(f"{letter} {case}" for letter, case in letters.items())
    console.print(Text(legend, style="dim"))
    for behaviour in sorted(b for b in report.behaviours if b.status == "fail"):
        head = ("FAIL", _COLOURS["fail"])
        console.print(Text.assemble(head, f" {behaviour.runtime} {behaviour.platform} ", (behaviour.case, "bold")))
        console.print(Text(f"  {behaviour.reason}"), soft_wrap=True)
    for reason in found.reasons:
        about = f"{reason.case} ({', '.join(reason.runtimes)})"
        console.print(Text(f"{MARKS['inapplicable']} {about}: {reason.reason}", style="dim"), soft_wrap=True)
