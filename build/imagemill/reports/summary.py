"""What a conformance run found: the one summary that tables, JSON, JUnit XML, Markdown and HTML are made from.

The same findings on the same images make the same summary, but for what `VARYING` names.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from imagemill.conform.finding import Finding, Status
from imagemill.errors import LayoutError

FORMAT: Literal[2] = 2
VARYING = ("time", "images[].cached")
"""What differs between two runs that found the same."""

STATUSES: tuple[Status, ...] = ("fail", "skip", "info", "pass")
"""The worst first."""

Outcome = Literal["fail", "inapplicable", "pass"]
_REMEDY = "write it again with imagemill conform --report json=FILE"


class Judged(Struct, frozen=True, order=True):
    """An image that was judged: its name, platform and manifest digest; its layers, and their bytes as pulled.

    `cached` says that its findings are those of an earlier run on the same bytes.
    """

    image: str
    platform: str
    digest: str
    size: int = 0
    layers: int = 0
    cached: bool = False


class Behaviour(Struct, frozen=True, order=True):
    """What a function did in a running image: a case of the suite that all runtimes share.

    `reason` says what went wrong, or why the case does not apply to the runtime.
    """

    runtime: str
    image: str
    platform: str
    digest: str
    case: str
    status: Outcome
    reason: str = ""


class Report(Struct, frozen=True):
    """What a run found, on which images, by which imagemill.

    `time` is when, in seconds since 1970, and `engine` what ran the images; empty where nothing did.
    """

    findings: tuple[Finding, ...]
    images: tuple[Judged, ...]
    version: str
    time: int = 0
    engine: str = ""
    behaviours: tuple[Behaviour, ...] = ()

    @property
    def counts(self) -> dict[Status, int]:
        """How many findings of each status."""
        return count(self.findings)

    @property
    def failed(self) -> bool:
        """Whether the images may not be released: something fails, or an image had nothing checked.

        A skipped check is no check.
        """
        checked = {(f.image, f.platform) for f in self.findings if f.status in ("pass", "fail")}
        unchecked = {(judged.image, judged.platform) for judged in self.images} - checked
        misbehaved = any(behaviour.status == "fail" for behaviour in self.behaviours)
        return bool(self.counts["fail"] or unchecked or not checked or misbehaved)

    @property
    def date(self) -> str:
        """`time` as RFC 3339 spells it."""
        return datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Document(Struct, frozen=True):
    """The JSON of a report. `failed` and `counts` follow from the rest, and are there for who reads them with jq."""

    format: Literal[2]
    imagemill: str
    time: str
    engine: str
    failed: bool
    counts: Mapping[Status, int]
    images: tuple[Judged, ...]
    findings: tuple[Finding, ...]
    behaviours: tuple[Behaviour, ...] = ()


def exit_code(report: Report) -> int:
    """0, or 1 for a failed report."""
    return int(report.failed)


def count(findings: Iterable[Finding]) -> dict[Status, int]:
    """How many findings of each status."""
    found = Counter(finding.status for finding in findings)
    return {status: found[status] for status in STATUSES}


def worst(findings: Iterable[Finding]) -> Status:
    """The worst status among these."""
    return min((finding.status for finding in findings), key=STATUSES.index)


def by_image(report: Report) -> list[tuple[Judged, list[Finding]]]:
    """Every image that was judged, or that a finding is about, with its findings; sorted, the worst first."""
    found: dict[tuple[str, str], list[Finding]] = {}
    images = {(judged.image, judged.platform): judged for judged in report.images}
    for finding in report.findings:
        found.setdefault((finding.image, finding.platform), []).append(finding)
    return [
        (
            images.get(key) or Judged(*key, ""),
            sorted(found.get(key, ()), key=lambda f: (STATUSES.index(f.status), f)),
        )
        for key in sorted(images.keys() | found.keys())
    ]


def by_check(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """The findings of each check, sorted by the check's name."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.check, []).append(finding)
    return dict(sorted(found.items()))


def details(finding: Finding) -> list[tuple[str, str]]:
    """What a finding says, each part with its name; without the parts that say nothing."""
    rows = {
        "expected": finding.expected,
        "found": finding.found,
        "source": finding.source,
        "remedy": finding.remedy,
    }
    return [(label, printable(value)) for label, value in rows.items() if value]


def joined(reports: Sequence[Report]) -> Report:
    """Several reports as one: the shares of a build, say. Of an image that two have, the last one's findings count."""
    findings: dict[tuple[str, str], tuple[Finding, ...]] = {}
    images: dict[tuple[str, str], Judged] = {}
    behaviours: dict[tuple[str, str, str], Behaviour] = {}
    for report in reports:
        for judged, found in by_image(report):
            images[judged.image, judged.platform] = judged
            findings[judged.image, judged.platform] = tuple(found)
        behaviours |= {(row.image, row.platform, row.case): row for row in report.behaviours}
    return Report(
        tuple(sorted(finding for found in findings.values() for finding in found)),
        tuple(sorted(images.values())),
        " ".join(sorted({report.version for report in reports})),
        max(report.time for report in reports),
        " ".join(sorted({report.engine for report in reports} - {""})),
        tuple(sorted(behaviours.values())),
    )


def to_json(report: Report) -> str:
    """The report as JSON: sorted, indented, ASCII. Its schema is report.schema.json, beside this module."""
    document = Document(
        format=FORMAT,
        imagemill=report.version,
        time=report.date,
        engine=report.engine,
        failed=report.failed,
        counts=report.counts,
        images=tuple(sorted(report.images)),
        findings=tuple(sorted(report.findings)),
        behaviours=tuple(sorted(report.behaviours)),
    )
    return json.dumps(msgspec.to_builtins(document), indent=1, sort_keys=True) + "\n"


def read(path: Path) -> Report:
    """Read what `to_json` gave. LayoutError when it is missing, damaged, or of another format."""
    from imagemill.mistakes import mistakes

    try:
        data: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise LayoutError(f"there is no report {path}", _REMEDY) from None
    except ValueError as error:
        raise LayoutError(f"{path} is not JSON: {error}", _REMEDY) from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise LayoutError(f"{path} is no report of format {FORMAT}", _REMEDY)
    for mistake in mistakes(data, Document):
        raise LayoutError(f"{path} is a damaged report: key '{mistake.key}'{mistake.what}", _REMEDY)
    try:
        document = msgspec.convert(data, Document)
        time = int(datetime.fromisoformat(document.time).timestamp())
    except ValueError as error:
        raise LayoutError(f"{path} is a damaged report: {error}", _REMEDY) from None
    return Report(document.findings, document.images, document.imagemill, time, document.engine, document.behaviours)


def printable(value: str) -> str:
    """Text that terminals, XML 1.0 and HTML can hold: file names in images need not be any of it."""
    return "".join(
        char if char in "\n\t" or (char.isprintable() and char < "\ufffe") else ascii(char)[1:-1] for char in value
    )
