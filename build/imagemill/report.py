"""A report of a conformance run: findings as text for people, JSON and JUnit XML for machines.

All three are the same for the same findings: sorted, and without the time of day.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagemill.conform.finding import Finding, Status
from imagemill.errors import LayoutError

FORMAT = 1
STATUSES: tuple[Status, ...] = ("fail", "skip", "info", "pass")
_SHOWN: tuple[Status, ...] = ("fail", "skip")
_COLOURS: Mapping[Status, str] = {"fail": "bold red", "skip": "yellow", "info": "cyan", "pass": "green"}
_REMEDY = "write it again with imagemill conform --json"


@dataclass(frozen=True, order=True)
class Judged:
    """An image that was judged: its name, platform, and manifest digest."""

    image: str
    platform: str
    digest: str


@dataclass(frozen=True)
class Report:
    """What a run found, on which images, by which imagemill."""

    findings: tuple[Finding, ...]
    images: tuple[Judged, ...]
    version: str

    @property
    def counts(self) -> dict[Status, int]:
        """How many findings of each status."""
        found = Counter(finding.status for finding in self.findings)
        return {status: found[status] for status in STATUSES}

    @property
    def failed(self) -> bool:
        """Whether the images may not be released: something fails, or an image had nothing checked.

        A skipped check is no check.
        """
        checked = {(f.image, f.platform) for f in self.findings if f.status in ("pass", "fail")}
        unchecked = {(judged.image, judged.platform) for judged in self.images} - checked
        return bool(self.counts["fail"] or unchecked or not checked)


def exit_code(report: Report) -> int:
    """0, or 1 for a failed report."""
    return int(report.failed)


def text(report: Report, console: Console) -> None:
    """Print a report for people: a line for each image, and what fails or was skipped in detail."""
    table = Table("image", "platform", *STATUSES, box=None, pad_edge=False, header_style="bold")
    for judged, found in _by_image(report):
        counts = Counter(finding.status for finding in found)
        cells = [Text(str(counts[s]), style=_COLOURS[s] if counts[s] else "dim") for s in STATUSES]
        table.add_row(Text(judged.image), Text(judged.platform), *cells)
    console.print(table)
    for judged, found in _by_image(report):
        for finding in sorted(f for f in found if f.status in _SHOWN):
            style = _COLOURS[finding.status]
            console.print(
                Text.assemble(
                    (finding.status.upper(), style),
                    f" {judged.image} {judged.platform} ",
                    (finding.check, "bold"),
                ),
                soft_wrap=True,
            )
            for label, value in _details(finding):
                console.print(Text(f"  {label:<8} {value}"), soft_wrap=True)
    total = ", ".join(f"{report.counts[status]} {status}" for status in STATUSES)
    console.print(f"{len(report.images)} images, {len(report.findings)} findings: {total}", highlight=False)
    if report.failed and not report.counts["fail"]:
        console.print(Text("FAIL: an image was not checked at all", style=_COLOURS["fail"]))


def print_table(report: Report) -> None:
    """`text` on standard error, with colours where that is a terminal."""
    text(report, Console(stderr=True))


def to_json(report: Report) -> str:
    """The report as JSON: sorted, indented, ASCII."""
    data = {
        "format": FORMAT,
        "imagemill": report.version,
        "failed": report.failed,
        "counts": report.counts,
        "images": [asdict(judged) for judged in sorted(report.images)],
        "findings": [asdict(finding) for finding in sorted(report.findings)],
    }
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def write_json(report: Report, path: Path) -> None:
    """Write `to_json`; directories are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(report), encoding="utf-8")


def read(path: Path) -> Report:
    """Read what `write_json` wrote. LayoutError when it is missing, damaged, or of another format."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise LayoutError(f"there is no report {path}", _REMEDY) from None
    except ValueError as error:
        raise LayoutError(f"{path} is not JSON: {error}", _REMEDY) from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise LayoutError(f"{path} is no report of format {FORMAT}", _REMEDY)
    try:
        return Report(
            findings=tuple(Finding(**_strings(Finding, row)) for row in data["findings"]),
            images=tuple(Judged(**_strings(Judged, row)) for row in data["images"]),
            version=str(data["imagemill"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LayoutError(f"{path} is a damaged report: {error}", _REMEDY) from None


def to_junit(report: Report) -> str:
    """The report as JUnit XML: a test suite for each image and platform, a test case for each check."""
    suites = [_suite(judged, found) for judged, found in _by_image(report)]
    return '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n' + "".join(suites) + "</testsuites>\n"


def write_junit(report: Report, path: Path) -> None:
    """Write `to_junit`; directories are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_junit(report), encoding="utf-8")


def _suite(judged: Judged, found: Sequence[Finding]) -> str:
    name = f"{judged.image} {judged.platform}"
    checks: dict[str, list[Finding]] = {}
    for finding in found:
        checks.setdefault(finding.check, []).append(finding)
    cases = []
    failures = skips = 0
    for check, findings in sorted(checks.items()):
        failing = sorted(f for f in findings if f.status == "fail")
        skipping = [f for f in findings if f.status == "skip"]
        inner = ""
        if failing:
            failures += 1
            body = "\n\n".join("\n".join(f"{k}: {v}" for k, v in _details(f)) for f in failing)
            inner = f"<failure message={_attribute(failing[0].found)}>{escape(_printable(body))}</failure>"
        elif skipping:
            skips += 1
            inner = f"<skipped message={_attribute(skipping[0].found)}/>"
        case = f"  <testcase classname={_attribute(name)} name={_attribute(check)}"
        cases.append(f"{case}>{inner}</testcase>\n" if inner else f"{case}/>\n")
    if not cases:  # an image without checks must not look like one that passes
        failures = 1
        cases = [
            f'  <testcase classname={_attribute(name)} name="checked"><failure message="no check ran"/></testcase>\n'
        ]
    head = f'tests="{len(cases)}" failures="{failures}" skipped="{skips}" errors="0"'
    return f" <testsuite name={_attribute(name)} {head}>\n{''.join(cases)} </testsuite>\n"


def _by_image(report: Report) -> list[tuple[Judged, list[Finding]]]:
    """Every image that was judged, or that a finding is about, with its findings; sorted."""
    found: dict[tuple[str, str], list[Finding]] = {}
    digests = {(judged.image, judged.platform): judged.digest for judged in report.images}
    for finding in report.findings:
        found.setdefault((finding.image, finding.platform), []).append(finding)
    return [(Judged(*key, digests.get(key, "")), found.get(key, [])) for key in sorted(digests.keys() | found.keys())]


def _details(finding: Finding) -> Iterable[tuple[str, str]]:
    rows = {
        "expected": finding.expected,
        "found": finding.found,
        "source": finding.source,
        "remedy": finding.remedy,
    }
    return ((label, _printable(value)) for label, value in rows.items() if value)


def _strings(kind: type, row: Any) -> dict[str, Any]:
    """The fields of one row of a report, all of them text; ValueError for anything else."""
    names = {field.name for field in fields(kind)}
    if not isinstance(row, dict) or row.keys() != names or not all(isinstance(v, str) for v in row.values()):
        raise ValueError(f"not a {kind.__name__.lower()}: {row!r}")
    if row.get("status", "pass") not in STATUSES:
        raise ValueError(f"unknown status {row['status']!r}")
    return dict(row)


def _printable(value: str) -> str:
    """Text that terminals and XML 1.0 can hold: file names in images need not be either."""
    return "".join(
        char if char in "\n\t" or (char.isprintable() and char < "\ufffe") else ascii(char)[1:-1] for char in value
    )


def _attribute(value: str) -> str:
    return quoteattr(_printable(value).replace("\n", " "))
