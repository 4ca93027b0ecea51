"""A report as Markdown, in the flavour of code forges: for the summary of a CI run, or a release's page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from imagemill.conform.finding import Finding
from imagemill.reports.behaviours import MARKS, matrix
from imagemill.reports.summary import STATUSES, Judged, Report, by_image, count, printable

MOST = 200
"""Findings that are told one by one: a forge shows no more than 1 MiB."""

_MEANING = re.compile(r"([\\`*_{}\[\]<>|~#&])")


def to_markdown(report: Report) -> str:
    """The report as Markdown: the verdict, a row for each image, what fails; the rest folded."""
    images = by_image(report)
    total = ", ".join(f"{report.counts[status]} {status}" for status in STATUSES)
    engine = f"run by {report.engine}" if report.engine else "nothing was run"
    lines = [
        f"## Conformance: {'FAILED' if report.failed else 'passed'}",
        "",
        f"{len(report.images)} images, {len(report.findings)} findings: {total}. "
        f"imagemill {escaped(report.version)}, {report.date}, {escaped(engine)}.",
        "",
    ]
    failing = _of(images, "fail")
    if failing:
        lines += ["### What fails", "", *_findings(failing), ""]
    rows = [
        [
            escaped(judged.image), judged.platform, *(str(count(found)[status]) for status in STATUSES),
            megabytes(judged.size), f"`{judged.digest[:19]}`" if judged.digest else "",
        ]
        for judged, found in images
    ]  # fmt: skip
    lines += table(["image", "platform", *STATUSES, "MB", "digest"], rows, right=(2, 3, 4, 5, 6))
    lines.append("")
    skipped = _of(images, "skip")
    if skipped:
        lines += [*_folded(f"{len(skipped)} skipped", _findings(skipped)), ""]
    if report.behaviours:
        lines += [*_folded("Behaviours of functions in every runtime", _behaviours(report)), ""]
    return "\n".join(lines).rstrip() + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """A table; the columns numbered in `right` hold numbers."""
    rule = ["--:" if number in right else "---" for number in range(len(head))]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def escaped(value: str) -> str:
    """Text on one line that Markdown takes as it is."""
    return _MEANING.sub(r"\\\1", printable(value)).replace("\n", " ").replace("\t", " ")


def megabytes(size: int) -> str:
    """Bytes as MB with one digit; nothing for an unknown size."""
    return f"{size / 1e6:.1f}" if size else ""


def _of(images: Sequence[tuple[Judged, Sequence[Finding]]], status: str) -> list[Finding]:
    return [finding for _, found in images for finding in found if finding.status == status]


def _findings(findings: Sequence[Finding]) -> list[str]:
    rows = [
        [escaped(value) for value in (f"{f.image} {f.platform}", f.check, f.expected, f.found, f.source, f.remedy)]
        for f in findings[:MOST]
    ]
    more = len(findings) - MOST
    lines = table(["image", "check", "expected", "found", "source", "remedy"], rows)
    return lines + (["", f"and {more} more, which the JSON and HTML reports tell."] if more > 0 else [])


def _behaviours(report: Report) -> list[str]:
    found = matrix(report.behaviours)
    rows = [
        [escaped(row.runtime), row.platform, *(MARKS[cell.status] if cell else "" for cell in row.cells)]
        for row in found.rows
    ]
    lines = table(["runtime", "platform", *map(escaped, found.cases)], rows)
    notes = [
        f"{MARKS['fail']} {b.runtime} {b.platform} {b.case}: {b.reason}"
        for b in sorted(report.behaviours)
        if b.status == "fail"
    ]
    notes += [f"{MARKS['inapplicable']} {r.case} ({', '.join(r.runtimes)}): {r.reason}" for r in found.reasons]
    return [*lines, "", *(f"- {escaped(note)}" for note in notes)]


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>"]
