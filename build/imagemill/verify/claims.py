"""Checks of what is said of an image: how it was made, and how it was found to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from imagemill.attest import statement
from imagemill.attest.predicates import read_conformance
from imagemill.attest.statement import BUILD_TYPE, Statement
from imagemill.errors import ImagemillError, VerifyError
from imagemill.verify.case import Case, plain
from imagemill.verify.verdict import Row

_ASK = "ask its publisher, or see what the policy should say"


@dataclass(frozen=True)
class Provenance:
    """What a provenance says. `dependencies` has the digests of each input, by its URI and by its file's name."""

    image: str
    tags: Mapping[str, tuple[str, ...]]
    platforms: tuple[str, ...]
    builder: str
    version: str
    repository: str
    revision: str
    lock: str
    dependencies: Mapping[str, Mapping[str, str]]


def read(found: Statement) -> Provenance:
    """Read a provenance of imagemill's. VerifyError for what is none."""
    try:
        build = found.predicate["buildDefinition"]
        if build["buildType"] != BUILD_TYPE:
            raise VerifyError(f"it was built as {build['buildType']!r} describes", "it is not imagemill's")
        asked: Mapping[str, Any] = build["externalParameters"]
        builder = found.predicate["runDetails"]["builder"]
        rows = build["resolvedDependencies"]
        locks = [row["digest"]["sha256"] for row in rows if str(row.get("name", "")).startswith("runtimes/lock/")]
        commits = {row["digest"]["gitCommit"] for row in rows if "gitCommit" in row["digest"]}
        if len(locks) != 1 or commits != {asked["revision"]}:
            raise VerifyError("a provenance contradicts itself", _ASK)
        return Provenance(
            str(asked["image"]),
            {str(tag): tuple(map(str, platforms)) for tag, platforms in asked["tags"].items()},
            tuple(map(str, asked["platforms"])),
            str(builder["id"]),
            str(builder["version"]["imagemill"]),
            str(asked["repository"]),
            str(asked["revision"]),
            str(locks[0]),
            {str(row["uri"]): dict(row["digest"]) for row in rows},
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise VerifyError(f"a provenance is damaged: {error!r}", "ask its publisher") from None


def provenance_of(case: Case, digest: str) -> tuple[Provenance | None, str]:
    """The provenance of a manifest that the policy agrees with; without one, why."""
    reasons = []
    for found in case.evidence[digest].statements(statement.PROVENANCE):
        try:
            provenance = read(found)
        except VerifyError as error:
            reasons.append(error.message)
            continue
        wrong = _wrong(case, found, provenance, digest)
        if not wrong:
            return provenance, ""
        reasons.append(wrong)
    evidence = case.evidence[digest]
    return None, "; ".join(dict.fromkeys(reasons)) or "; ".join(["it has no provenance", *evidence.reasons])


def _wrong(case: Case, found: Statement, provenance: Provenance, digest: str) -> str:
    """How a provenance differs from what the policy asks and the image is; empty where it does not."""
    policy = case.policy
    if plain(found.subjects[digest]) != plain(case.repository):
        return f"its provenance is of {found.subjects[digest]}, not of {case.repository}"
    if missing := [image.platform for image in case.images if image.digest not in found.subjects]:
        return f"its provenance is not of its {', '.join(missing)}"
    if policy.builders and provenance.builder not in policy.builders:
        return f"it was built by {provenance.builder}, not by {' or '.join(policy.builders)}"
    if policy.source and provenance.repository != policy.source:
        return f"it was built from {provenance.repository}, not from {policy.source}"
    if policy.revision and provenance.revision != policy.revision:
        return f"it was built from the commit {provenance.revision[:12]}, not {policy.revision[:12]}"
    if policy.lock and provenance.lock != policy.lock:
        return f"it was built from the lock {provenance.lock[:12]}, not {policy.lock[:12]}"
    return ""


def provenance(case: Case) -> Iterator[Row]:
    """It was made by whom and from what the policy says."""
    if "provenance" in case.policy.without:
        yield Row("provenance", "", "none", "the policy does without")
        return
    for digest in case.evidence:
        about = case.told(digest)
        found, reason = provenance_of(case, digest)
        if found is None:
            yield Row("provenance", about, "fail", reason, _ASK)
        else:
            inputs = len(found.dependencies) - 2  # without the commit and the lock itself
            from_what = f"{found.repository} at {found.revision[:12]}, lock {found.lock[:12]}, {inputs} inputs"
            yield Row("provenance", about, "pass", f"built by {found.builder} from {from_what}")


def reported(case: Case) -> Iterator[Row]:
    """A conformance run passed on each platform's manifest, these very bytes. One that failed counts, too."""
    if "report" in case.policy.without:
        yield Row("report", "", "none", "the policy does without")
        return
    for image in case.images:
        evidence = case.evidence[image.digest]
        reports = evidence.statements(statement.CONFORMANCE)
        if not reports:
            reasons = "; ".join(["it has no conformance report", *evidence.reasons])
            yield Row("report", image.platform, "fail", reasons, "ask its publisher for one")
            continue
        try:
            counts = [_passing(one, image.digest, image.platform) for one in reports]
            yield Row("report", image.platform, "pass", counts[-1])
        except ImagemillError as error:
            yield Row("report", image.platform, "fail", error.message, error.remedy)


def _passing(found: Statement, digest: str, platform: str) -> str:
    """What a report found, in words. VerifyError for one of other bytes, and one that failed."""
    report = read_conformance(found.predicate)
    judged = {(one.digest, one.platform) for one in report.images}
    if judged != {(digest, platform)}:
        names = ", ".join(sorted(one for one, _ in judged)) or "nothing"
        raise VerifyError(f"its report is of {names}", "ask its publisher for a report on these bytes")
    counts = report.counts
    if report.failed:
        raise VerifyError(
            f"its report has {counts['fail']} failures in {len(report.findings)} checks", "do not use this image"
        )
    return f"{counts['pass']} checks passed, {counts['skip']} skipped, by imagemill {report.version}"
