"""Checks against a manifest's budgets: what an image weighs, and what calling a function of the language takes.

Sizes are exact. Times and memory are told, and fail only where they are so far beyond their budget that neither the
machine nor what else runs on it explains it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from imagemill.conform import running
from imagemill.conform.finding import Finding, Problem, Subject, inapplicable, skipped, verdict
from imagemill.conform.view import Completed, View

NOISE = {"init": 10.0, "call": 10.0, "memory": 2.0}
"""By which factor a busy machine may be beyond a budget: two cores with sixteen processes waiting took five times as
long. What is beyond is tried again, and the best of the tries counts."""

_TRIES = 3

_REPORT = (
    r"REPORT RequestId: \S*(?:\s+Init Duration: (?P<init>[\d.]+) ms)?.*?\tDuration: (?P<call>[\d.]+) ms"
    r".*?Max Memory Used: (?P<memory>\d+) MB"
)
_UNITS = {"init": "ms", "call": "ms", "memory": "MB"}
_NONE = "the manifest has no budgets"


def size(view: View, subject: Subject) -> Iterator[Finding]:
    """The layers of a run or serve image, as they are pulled, are no larger than the manifest says."""
    name, source = "budgets.size", f"{subject.runtime_file}: budgets.size_mb"
    budgets = subject.image.runtime.budgets
    if budgets is None or subject.image.variant == "build":
        reason = _NONE if budgets is None else "build images are as large as their tools"
        yield inapplicable(subject, name, reason, source=source)
        return
    if not all(layer.media_type.endswith(("gzip", "zstd")) for layer in view.manifest.layers):
        yield skipped(subject, name, "layers are not compressed here, as they are when they are pulled", source=source)
        return
    found = sum(layer.size for layer in view.manifest.layers)
    expected, said = f"at most {budgets.size_mb} MB", f"{found / 1e6:.1f} MB in {len(view.manifest.layers)} layers"
    remedy = "leave something out (drop, strip, without), or raise the budget"
    problems = [Problem(expected, said, source, remedy)] if found > budgets.size_mb * 1e6 else []
    yield from verdict(subject, name, problems, expected=expected, found=said, source=source)


def measured(view: View, subject: Subject) -> Iterator[Finding]:
    """What the manifest's example took: its start, one call, and the most memory; beyond all noise it fails."""
    name, source = "budgets.measured", f"{subject.runtime_file}: budgets"
    done = running.called(view, subject, name, source)
    if isinstance(done, Finding):
        yield done
        return
    took = _took(done)
    if took is None:  # `running.example` says what is wrong
        yield skipped(subject, name, "no REPORT line to look at", source=source)
        return
    budgets = subject.image.runtime.budgets
    said = _said(took)
    if budgets is None or subject.emulated:
        expected = _NONE if budgets is None else "no budgets where a processor is emulated"
        yield Finding(subject.called, str(subject.platform), name, "info", expected, said, source)
        return
    most = {"init": budgets.init_ms, "call": budgets.call_ms, "memory": budgets.memory_mb}
    for attempt in range(1, _TRIES):
        if not any(took[what] > NOISE[what] * most[what] for what in took):
            break
        again = running.called(view, subject, name, source, attempt=attempt)
        better = None if isinstance(again, Finding) else _took(again)
        took = {what: min(took[what], better.get(what, took[what])) for what in took} if better else took
    said = _said(took)
    problems = [
        Problem(
            f"{what}: {most[what]} {_UNITS[what]}, and never {factor:g} times that",
            f"{what}: {took[what]:g} {_UNITS[what]}",
            f"{source}.{what}_{_UNITS[what].lower()}",
            f"call it again on a quiet machine: imagemill run {subject.image.tags[-1]}; find what is slow, or raise the"
            " budget",
        )
        for what, factor in NOISE.items()
        if took.get(what, 0) > factor * most[what]
    ]
    expected = ", ".join(f"{what} {most[what]} {_UNITS[what]}" for what in NOISE)
    if problems:
        yield from verdict(subject, name, problems, expected=expected, found=said, source=source)
        return
    over = [what for what in took if took[what] > most[what]]
    remedy = f"over its budget, which noise may explain: {', '.join(over)}" if over else ""
    yield Finding(subject.called, str(subject.platform), name, "info", f"about {expected}", said, source, remedy)


def _took(done: Completed) -> dict[str, float] | None:
    """What the REPORT line of a call says; None where there is none. A start that took too long is not in it."""
    found = re.search(_REPORT, running.plain(done.stderr))
    return {what: float(found[what]) for what in NOISE if found[what]} if found else None


def _said(took: Mapping[str, float]) -> str:
    return ", ".join(f"{what} {value:g} {_UNITS[what]}" for what, value in took.items())
