"""What may not be published, and why: what nobody judged, what is not whole, what is not what the lock names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from imagemill.conform import name_of, running
from imagemill.dist import Artifact, Dist
from imagemill.errors import PublishError
from imagemill.plan import Image
from imagemill.reports.summary import Report

_RUN = name_of(running.commands)
"""The check that every image passes when it is run, whatever its variant and language."""


def admitted(
    images: Sequence[Image],
    dist: Dist,
    report: Report,
    input_hashes: Mapping[str, str],
    *,
    allow_unrun: bool = False,
) -> dict[str, Artifact]:
    """The artifacts of these images by name. Raises PublishError with every reason against any of them.

    `input_hashes` are those of the plan: an artifact that was made from something else is an old one. With
    `allow_unrun` a report is enough for which nothing was run.
    """
    found = dist.read()
    reasons = []
    for image in images:
        artifact = found.get(image.name)
        if artifact is None:
            reasons.append(f"{image.name}: was not built; run `imagemill build {image.name}`")
            continue
        reasons += [
            f"{image.name}: {reason}"
            for reason in (
                *_not_whole(image, artifact, dist, input_hashes.get(image.name, "")),
                *_not_locked(artifact),
                *_not_judged(artifact, report, allow_unrun),
            )
        ]
    if reasons:
        words = "\n".join(f"  {reason}" for reason in reasons)
        raise PublishError(f"{_count(len(reasons), 'reason')} not to publish:\n{words}", "nothing was sent")
    return {image.name: found[image.name] for image in images}


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _not_whole(image: Image, artifact: Artifact, dist: Dist, wanted: str) -> Iterator[str]:
    missing = sorted(set(image.platforms) - artifact.platforms.keys())
    if missing:
        yield f"has no {', '.join(missing)}; build it for all of its platforms"
    if not dist.holds(artifact):
        yield f"is not in {dist.path} as recorded; run `imagemill build {image.name}`"
    if artifact.input_hash != wanted:
        yield f"was made from other inputs than those of this checkout; run `imagemill build {image.name}`"


def _not_locked(artifact: Artifact) -> Iterator[str]:
    if artifact.lock != "exact":
        yield f"was not made from the lock alone ({artifact.lock}); run `imagemill lock --update` and build it again"


def _not_judged(artifact: Artifact, report: Report, allow_unrun: bool) -> Iterator[str]:
    """A report speaks of bytes, by their digest: one on an image of the same name is about another image."""
    remedy = f"run `imagemill conform --report json=dist/conformance.json {artifact.name}`"
    for platform, built in sorted(artifact.platforms.items()):
        judged = any((one.platform, one.digest) == (platform, built.digest) for one in report.images)
        if not judged:
            yield f"{platform}: no report on {built.digest}; {remedy}"
            continue
        names = {one.image for one in report.images if (one.platform, one.digest) == (platform, built.digest)}
        found = [finding for finding in report.findings if finding.platform == platform and finding.image in names]
        failed = sorted({finding.check for finding in found if finding.status == "fail"})
        failed += sorted(
            {f"the function {row.case}" for row in report.behaviours
             if row.digest == built.digest and row.status == "fail"}
        )  # fmt: skip
        if failed:
            yield f"{platform}: fails {', '.join(failed)}; see the report"
        elif not any(finding.status == "pass" for finding in found):
            yield f"{platform}: the report has no check of it that passes; {remedy}"
        elif not (allow_unrun or any(finding.status == "pass" and finding.check == _RUN for finding in found)):
            yield f"{platform}: was never run; {remedy} where docker or podman runs it, or give --allow-unrun"
