"""Checks that need the image to run: the manifest's commands, and a function of its language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from imagemill.conform import facts, session
from imagemill.conform.finding import Finding, Problem, Subject, inapplicable, skipped, verdict
from imagemill.conform.view import Completed, View
from imagemill.errors import EngineError

_COLOUR = r"\x1b\[[0-9;]*m"


def commands(view: View, subject: Subject) -> Iterator[Finding]:
    """Each command of the manifest ends with 0 and prints what it should."""
    name = "running.commands"
    checks = session.commands(subject)
    source = f"{subject.runtime_file}: checks" + ("; build_checks" if subject.image.variant == "build" else "")
    if not view.can_run:
        yield skipped(subject, name, session.NO_RUNNER, source=source, remedy=session.SET_UP)
        return
    said = session.held(view, subject)
    problems = [
        Problem(
            f"{check.run!r} prints {check.contains!r}",
            f"ends with {said[check.run].code}: {said[check.run].text.strip()[-200:]}",
            source,
            "run it in the image by hand; correct the image or the manifest",
        )
        for check in checks
        if said[check.run].code != "0" or check.contains not in said[check.run].text
    ]
    yield from verdict(
        subject,
        name,
        problems,
        expected=f"{len(checks)} commands",
        found="all of them as planned",
        source=source,
    )


def example(view: View, subject: Subject) -> Iterator[Finding]:
    """A function of the language, called once: its result last on stdout, the log lines on stderr."""
    name, source = "running.example", f"{subject.runtime_file}: example"
    done = called(view, subject, name, source)
    if isinstance(done, Finding):
        yield done
        return
    yield from verdict(
        subject,
        name,
        list(_wrong_with(done, subject, source)),
        expected=subject.image.runtime.example.result,
        found="the result, and the log lines",
        source=source,
    )


def called(view: View, subject: Subject, name: str, source: str, *, attempt: int = 0) -> Completed | Finding:
    """What calling the manifest's example left behind; where it cannot be called, the finding of the check `name`.

    It is called once, and once more for each further `attempt`.
    """
    function = subject.image.runtime.example
    if subject.image.variant != "run":
        reason = f"{subject.image.variant} images take no function and event"
        return inapplicable(subject, name, reason, source=source)
    if not view.can_run or subject.examples is None:
        reason = session.NO_RUNNER if not view.can_run else "no directory of examples is given"
        return skipped(subject, name, reason, source=source, remedy=session.SET_UP if not view.can_run else "")
    task_dir = subject.examples / function.directory
    if not task_dir.is_dir():  # the compiled form of an example, which no checkout holds
        reason = f"examples/{function.directory} is not there"
        folder = function.directory.partition("/")[0]
        return skipped(subject, name, reason, source=source, remedy=f"compile it as examples/{folder}/README.md says")
    env = {"IMAGEMILL_ATTEMPT": str(attempt)} if attempt else {}
    return _run(view, [function.handler, function.event], task_dir=task_dir, env=env)


def plain(output: bytes) -> str:
    """What a container printed, without colours."""
    return re.sub(_COLOUR, "", output.decode("utf-8", "replace"))


def _wrong_with(done: Completed, subject: Subject, source: str) -> Iterator[Problem]:
    function = subject.image.runtime.example
    errors = plain(done.stderr)
    lines = done.stdout.decode("utf-8", "replace").rstrip("\n").splitlines()
    last = lines[-1] if lines else ""
    remedy = f"call {function.handler} in examples/{function.directory} with imagemill run, and read its log"
    if done.code != 0:
        yield Problem("exit code 0", f"{done.code}: {errors.strip()[-300:]}", source, remedy)
    elif not _same_json(last, function.result):
        yield Problem(f"{function.result} as the last line of stdout", last or "nothing", source, remedy)
    else:
        for fact in facts.invoke().log_lines:
            if not re.search(fact.pattern, errors):
                yield Problem(f"{fact.pattern} on stderr", errors.strip()[-300:], fact.source, remedy)


def _run(view: View, argv: Sequence[str], *, task_dir: Path, env: Mapping[str, str]) -> Completed:
    """Run a container; one that the engine cannot run is one that failed."""
    try:
        return view.run(argv, task_dir=task_dir, env=env, timeout=session.TIMEOUT)
    except EngineError as error:
        return Completed(b"", str(error).encode(), 125)  # docker's and podman's code for it


def _same_json(found: str, expected: str) -> bool:
    try:
        return bool(json.loads(found) == json.loads(expected))
    except ValueError:
        return False
