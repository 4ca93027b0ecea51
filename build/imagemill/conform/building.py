"""Checks on build images at work: their tools start, and what they compile runs.

Both are tried in the one container of the session.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagemill.conform import session, workbench
from imagemill.conform.finding import Finding, Problem, Subject, inapplicable, skipped, verdict
from imagemill.conform.view import View

_SOURCE = "what build images promise: docs/conformance.md"


def tools(view: View, subject: Subject) -> Iterator[Finding]:
    """Every command that the manifests promise starts in a build image: nothing that it is made of is missing."""
    name, source = "building.tools", f"{subject.base_file}: tools, build_tools; {subject.runtime_file}: the same"
    if (skip := _skip(view, subject, name, source)) is not None:
        yield skip
        return
    tried = workbench.tried(view, subject)
    said = session.held(view, subject)[workbench.TOOLS]
    lines = [line for line in said.text.splitlines() if line]
    if said.code != "0" or lines[-1:] != ["started"]:
        lines = [f"no answer: {said.code}: {said.text.strip()[-200:]}", ""]
    remedy = "run it in the image by hand; have what it misses in a layer"
    problems = [Problem("starts", line, source, remedy) for line in lines[:-1]]
    left_out = "; others were left out, as the processor is emulated" if subject.emulated else ""
    found = f"all of {len(tried)}{left_out}"
    yield from verdict(subject, name, problems, expected="tools that start", found=found, source=source)


def native(view: View, subject: Subject) -> Iterator[Finding]:
    """What a build image compiles for itself runs in it: a program in C, and what its language calls native."""
    name = "building.native"
    if (skip := _skip(view, subject, name, _SOURCE)) is not None:
        yield skip
        return
    said = session.held(view, subject)
    made = [step for step in workbench.steps(view, subject) if step != workbench.TOOLS]
    problems = [
        Problem(
            f"{step} that answers {workbench.ANSWER}",
            f"ends with {said[step].code}: {said[step].text.strip()[-300:]}",
            _SOURCE,
            "compile it in the image by hand; have the compiler, headers and libraries in a layer",
        )
        for step in made
        if said[step].code != "0" or said[step].text.split()[-1:] != [workbench.ANSWER]
    ]
    yield from verdict(
        subject, name, problems, expected=f"{' and '.join(made)}", found="compiled, and runs", source=_SOURCE
    )


def _skip(view: View, subject: Subject, name: str, source: str) -> Finding | None:
    if subject.image.variant != "build":
        return inapplicable(subject, name, f"{subject.image.variant} images compile nothing", source=source)
    if not view.can_run:
        return skipped(subject, name, session.NO_RUNNER, source=source, remedy=session.SET_UP)
    return None
