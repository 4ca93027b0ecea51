"""Differences from the real environment that a manifest accepts, each with its reason; they are told, and fail nothing.

One that is no longer there fails: a list that outlives what it excuses would excuse the next mistake.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from imagemill.conform.finding import Finding, Subject
from imagemill.manifest import Accepted

STILL_TRUE = "accepted.still-true"


def apply(findings: Sequence[Finding], subject: Subject) -> list[Finding]:
    """The findings with accepted failures as information, and one more on the list itself.

    Only entries about checks that were held, and that find nothing else, are looked for. Where the list has none,
    nothing is added.
    """
    listed = list(_listed(subject))
    held = {finding.check for finding in findings if finding.status != "skip"}
    used: set[str] = set()
    told = []
    for finding in findings:
        fitting = [(key, one) for key, one in listed if finding.status == "fail" and _fits(one, finding)]
        if fitting:
            key, one = fitting[0]
            used.update(key for key, _ in fitting)
            source = f"{finding.source}; accepted by {key}"
            told.append(replace(finding, status="info", source=source, remedy=f"accepted: {one.reason}"))
        else:
            told.append(finding)
    held -= {finding.check for finding in told if finding.status == "fail"}  # one mistake is one finding
    return told + list(_stale(subject, [(k, a) for k, a in listed if a.check in held], used))


def _stale(subject: Subject, listed: Sequence[tuple[str, Accepted]], used: set[str]) -> Iterator[Finding]:
    name, platform = subject.called, str(subject.platform)
    gone = [(key, one) for key, one in listed if key not in used]
    for key, one in gone:
        expected, found = f"{one.check}: {one.found}", "no such difference any more"
        yield Finding(name, platform, STILL_TRUE, "fail", expected, found, key, "take it from the list")
    if listed and not gone:
        source = ", ".join(key for key, _ in listed)
        count = f"{len(listed)} accepted differences"
        yield Finding(name, platform, STILL_TRUE, "pass", count, "all of them are there", source)


def _listed(subject: Subject) -> Iterator[tuple[str, Accepted]]:
    """The entries that are about this image, by the manifest's file and key."""
    image = subject.image
    if subject.foreign:  # the list is about what this factory makes
        return
    for file, rows in ((subject.base_file, image.base.accepted), (subject.runtime_file, image.runtime.accepted)):
        for number, one in enumerate(rows):
            if not one.variants or image.variant in one.variants:
                yield f"{file}: accepted.{number}", one


def _fits(one: Accepted, finding: Finding) -> bool:
    return one.check == finding.check and fnmatch.fnmatchcase(finding.found, one.found)
