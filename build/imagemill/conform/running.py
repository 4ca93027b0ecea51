"""Checks that need the image to run: the manifest's commands, and a function of its language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from imagemill.conform import facts
from imagemill.conform.finding import Finding, Problem, Subject, skipped, verdict
from imagemill.conform.view import Completed, View
from imagemill.errors import EngineError
from imagemill.manifest import ToolCheck

_TIMEOUT = 180.0  # seconds; what takes one natively takes tens under emulation
_MARK = "@@imagemill"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NO_RUNNER = "nothing here runs this image"
_SET_UP = "have docker or podman, and for another architecture qemu-user"


def commands(view: View, subject: Subject) -> Iterator[Finding]:
    """Each command of the manifest ends with 0 and prints what it should; all of them in one container."""
    name = "running.commands"
    image = subject.image
    checks = [(f"{subject.runtime_file}: checks", check) for check in image.runtime.checks]
    if image.variant == "build":
        checks += [(f"{subject.runtime_file}: build_checks", check) for check in image.runtime.build_checks]
    source = "; ".join(dict.fromkeys(origin for origin, _ in checks)) or f"{subject.runtime_file}: checks"
    if not view.can_run:
        yield skipped(subject, name, _NO_RUNNER, source=source, remedy=_SET_UP)
        return
    problems = []
    outputs = _outputs(view, [check for _, check in checks]) if checks else []
    for (origin, check), (code, output) in zip(checks, outputs, strict=True):
        if code != "0" or check.contains not in output:
            problems.append(
                Problem(
                    f"{check.run!r} prints {check.contains!r}",
                    f"ends with {code}: {output.strip()[-200:]}",
                    origin,
                    "run it in the image by hand; correct the image or the manifest",
                )
            )
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
    name = "running.example"
    function = subject.image.runtime.example
    source = f"{subject.runtime_file}: example"
    if subject.image.variant != "run":
        yield skipped(subject, name, f"{subject.image.variant} images take no function and event", source=source)
        return
    if not view.can_run or subject.examples is None:
        reason = _NO_RUNNER if not view.can_run else "no directory of examples is given"
        yield skipped(subject, name, reason, source=source, remedy=_SET_UP if not view.can_run else "")
        return
    task_dir = subject.examples / function.directory
    if not task_dir.is_dir():  # the compiled form of an example, which no checkout holds
        reason = f"examples/{function.directory} is not there"
        folder = function.directory.partition("/")[0]
        yield skipped(subject, name, reason, source=source, remedy=f"compile it as examples/{folder}/README.md says")
        return
    done = _run(view, [function.handler, function.event], task_dir=task_dir)
    yield from verdict(
        subject,
        name,
        list(_wrong_with(done, subject, source)),
        expected=function.result,
        found="the result, and the log lines",
        source=source,
    )


def _wrong_with(done: Completed, subject: Subject, source: str) -> Iterator[Problem]:
    function = subject.image.runtime.example
    errors = _COLOUR.sub("", done.stderr.decode("utf-8", "replace"))
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


def _outputs(view: View, checks: Sequence[ToolCheck]) -> list[tuple[str, str]]:
    """Exit code (a word) and output of each command, run one after the other in one shell."""
    script = "".join(f"( {check.run} ) </dev/null 2>&1; printf '\\n{_MARK} %s\\n' \"$?\"\n" for check in checks)
    done = _run(view, ["-c", script], entrypoint=["/bin/sh"])
    text = done.stdout.decode("utf-8", "replace")
    found = re.findall(rf"(.*?)\n{_MARK} (\d+)\n", text, flags=re.DOTALL)
    rows = [(code, output) for output, code in found]
    missing = f"the shell ended with {done.code} before: {done.stderr.decode('utf-8', 'replace').strip()[-300:]}"
    return (rows + [("no exit code", missing)] * len(checks))[: len(checks)]


def _run(
    view: View, argv: Sequence[str], *, entrypoint: Sequence[str] | None = None, task_dir: Path | None = None
) -> Completed:
    """Run a container; one that the engine cannot run is one that failed."""
    try:
        return view.run(argv, entrypoint=entrypoint, task_dir=task_dir, timeout=_TIMEOUT)
    except EngineError as error:
        return Completed(b"", str(error).encode(), 125)  # docker's and podman's code for it


def _same_json(found: str, expected: str) -> bool:
    try:
        return bool(json.loads(found) == json.loads(expected))
    except ValueError:
        return False
