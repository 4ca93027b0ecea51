"""An image against a record of a real environment (`imagemill record`): what a function sees here and there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from imagemill.conform import inside, session
from imagemill.conform.finding import Finding, Problem, Subject, skipped, verdict
from imagemill.conform.view import View
from imagemill.recorder import SECRETS, Record

NAME = "against.record"
_REMEDY = "correct the image or its manifest, or accept the difference there with a reason"
# values that belong to a function, a request or a machine: that they are set counts, not what they are
_OF_THE_FUNCTION = SECRETS | {
    *("_HANDLER", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_LAMBDA_RUNTIME_API", "AWS_EXECUTION_ENV"),
    *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
    *("AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_XRAY_DAEMON_ADDRESS", "_AWS_XRAY_DAEMON_ADDRESS"),
}
# names that shells and container engines add, and what only the service has
_OF_THE_PLACE = inside.SHELL | {
    *("HOSTNAME", "HOME", "TERM", "container", "AWS_SESSION_TOKEN"),
    *("AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN", "_X_AMZN_TRACE_ID", "_LAMBDA_TELEMETRY_LOG_FD"),
}
_MOST_COMMANDS = 20


def record(view: View, subject: Subject) -> Iterator[Finding]:
    """What a function sees in the image is what the record of `subject.against` says."""
    real = subject.against
    if real is None:
        raise ValueError("nothing to hold the image against")
    source = f"the record {real.name}"
    here = inside.recorded(view, subject)
    if here is None:
        reason = session.NO_RUNNER if not view.can_run else "no record to look at"
        yield skipped(subject, NAME, reason, source=source, remedy=session.SET_UP)
        return
    problems = [
        Problem(f"{what}: {a}", f"{what}: {b}", source, _REMEDY) for what, a, b in differences(real.record, here)
    ]
    yield from verdict(subject, NAME, problems, expected="what the record says", found="the same", source=source)


def differences(there: Record, here: Record) -> Iterator[tuple[str, str, str]]:
    """What differs: its name, the value in `there`, the value in `here`."""
    yield from _variables(there.environment, here.environment)
    for what, a, b in (
        ("user", f"{there.uid}:{there.gid}", f"{here.uid}:{here.gid}"),
        ("groups", _list(sorted(set(there.groups) - {there.gid})), _list(sorted(set(here.groups) - {here.gid}))),
        ("directory", there.cwd, here.cwd),
        ("umask", there.umask.lstrip("0"), here.umask.lstrip("0")),
        ("writable", _list(there.writable), _list(here.writable)),
        ("machine", there.machine, here.machine),
        ("system", there.release, here.release),
        ("time zone", there.zone, here.zone),
        ("characters", there.charmap, here.charmap),
    ):
        if a != b:
            yield what, a, b
    for name, value in there.limits.items():
        if name in here.limits and here.limits[name] != value:
            yield f"limit of {name}", value, here.limits[name]
    missing = sorted(set(there.commands) - set(here.commands))
    if missing:
        more = f" and {len(missing) - _MOST_COMMANDS} more" if len(missing) > _MOST_COMMANDS else ""
        yield "commands", _list(missing[:_MOST_COMMANDS]) + more, "not there"


def _variables(there: Mapping[str, str], here: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in sorted((there.keys() | here.keys()) - _OF_THE_PLACE):
        a, b = there.get(name), here.get(name)
        if (a is None) != (b is None) or (a != b and name not in _OF_THE_FUNCTION):
            yield name, "not set" if a is None else _shown(name, a), "not set" if b is None else _shown(name, b)


def _shown(name: str, value: str) -> str:
    return "set" if name in SECRETS else value


def _list(words: Sequence[object]) -> str:
    return " ".join(map(str, words)) or "none"
