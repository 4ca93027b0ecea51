"""What statements say of an image besides how it was made: what is in it, and how it was found to be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from imagemill.attest import statement
from imagemill.attest.statement import Statement
from imagemill.errors import PublishError, VerifyError
from imagemill.reports.summary import Document, Report, to_json
from imagemill.sbom import FORMATS, Inventory

_SBOMS = {"spdx": statement.SPDX, "cyclonedx": statement.CYCLONEDX}


def sboms(subjects: Mapping[str, str], inventory: Inventory) -> list[Statement]:
    """What an image on one platform is made of, in every format."""
    return [Statement(subjects, _SBOMS[name], json.loads(text(inventory))) for name, text in FORMATS.items()]


def conformance(subjects: Mapping[str, str], report: Report, digest: str) -> Statement:
    """What a run found on the manifest with this digest, and on nothing else.

    Raises PublishError where it did not look at it.
    """
    return Statement(subjects, statement.CONFORMANCE, json.loads(to_json(cut(report, digest))))


def cut(report: Report, digest: str) -> Report:
    """The part of a report that is about one manifest. Raises PublishError where there is none."""
    images = tuple(replace(judged, cached=False) for judged in report.images if judged.digest == digest)
    if not images:
        raise PublishError(f"the report has nothing on {digest}", "run `imagemill conform` on what is to be published")
    about = {(judged.image, judged.platform) for judged in images}
    return replace(
        report,
        images=images,
        findings=tuple(finding for finding in report.findings if (finding.image, finding.platform) in about),
        behaviours=tuple(row for row in report.behaviours if row.digest == digest),
    )


def read_conformance(predicate: Mapping[str, Any]) -> Report:
    """The report that a predicate is. VerifyError for what is none."""
    import msgspec

    from imagemill.mistakes import mistakes

    for mistake in mistakes(predicate, Document):
        raise VerifyError(f"a conformance report is damaged: key '{mistake.key}'{mistake.what}", "make it again")
    document = msgspec.convert(predicate, Document)
    return Report(document.findings, document.images, document.imagemill, behaviours=document.behaviours)


def subjects(repository: str, digests: Iterable[str]) -> dict[str, str]:
    """The subjects of a statement on manifests of one repository."""
    return dict.fromkeys(digests, repository)
