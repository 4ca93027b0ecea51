"""Checks on what a function sees when it is called in the image: recorded by a function of imagemill's own.

It is a custom runtime in shell, so all of this holds before any language has its say.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from imagemill.conform import facts, session
from imagemill.conform.finding import Finding, Problem, Subject, inapplicable, skipped, verdict
from imagemill.conform.view import View
from imagemill.errors import RecordError

if TYPE_CHECKING:
    from imagemill.recorder import Record

SHELL = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})
"""Variables that a shell adds."""

_RECORD = r'\{"record":1,"sections":"[\w+/=]*"\}'
_TOLD = r"Init Duration: ([\d.]+ ms)|\tDuration: ([\d.]+ ms)|Max Memory Used: (\d+ MB)"
_RECORDER = "a function that records what it sees (imagemill record)"
_READ = "run the image by hand with the function of `imagemill record zip provided`"
_NONE = "(not set)"

_Judge = Callable[["Record"], Iterator[Problem]]


def answers(view: View, subject: Subject) -> Iterator[Finding]:
    """The init of the variant's contract calls a function, gives its answer, and ends when it is asked to."""
    name, source = "inside.answers", f"contract of {subject.image.variant} images: docs/contracts.md"
    if (skip := _skip(view, subject, name, source)) is not None:
        yield skip
        return
    said = session.held(view, subject)
    called = [contract for contract in session.CONTRACTS if contract in said]
    problems = [
        Problem(f"{contract}: the function's answer", _ended(said[contract]), source, _READ)
        for contract in called
        if said[contract].code != "0" or not re.search(_RECORD, said[contract].text)
    ]
    yield from verdict(
        subject, name, problems, expected=_RECORDER, found=f"answers: {', '.join(called)}", source=source
    )


def hardened(view: View, subject: Subject) -> Iterator[Finding]:
    """A function answers, and writes to /tmp, in a container with a read-only root, no capabilities, a foreign user."""
    name, source = "inside.hardened", "; ".join(fact.source for fact in facts.invoke().writable)
    if (skip := _skip(view, subject, name, source)) is not None:
        yield skip
        return
    record = _record(view, subject, hardened=True)
    problems = []
    expected = [name for fact in facts.about(subject.image, facts.invoke().writable) for name in fact.names]
    if record is None:
        [output] = session.held(view, subject, hardened=True).values()
        problems.append(Problem("a function that answers", _ended(output), source, _READ))
    elif [*record.writable] != expected:
        found = f"writable: {', '.join(record.writable) or 'nothing'}"
        problems.append(Problem(f"writable: {', '.join(expected)}", found, source, _READ))
    yield from verdict(
        subject, name, problems, expected="read-only root, no capabilities, user 54321", found="it answers",
        source=source,
    )  # fmt: skip


def user(view: View, subject: Subject) -> Iterator[Finding]:
    """The function runs as the user that the manifest names, with that user's groups."""
    configured = subject.image.configuration.user
    known = {user.name: user for user in subject.image.base.users}.get(configured)
    uid, gid = (known.uid, known.gid) if known else (0, 0)
    source = f"{subject.base_file}: {subject.image.variant}.user"

    def wrong(record: Record) -> Iterator[Problem]:
        if (record.uid, record.gid) != (uid, gid) or set(record.groups) - {gid}:
            found = f"{record.uid}:{record.gid}, groups {' '.join(map(str, record.groups)) or 'none'}"
            yield Problem(f"{uid}:{gid}, no other groups", found, source, _READ)

    return _judge(view, subject, "inside.user", source, f"{uid}:{gid}", wrong)


def environment(view: View, subject: Subject) -> Iterator[Finding]:
    """At an invocation the image's variables are there as they are in the image, and the service's, and no others'."""
    present = facts.about(subject.image, facts.invoke().present)
    hidden = facts.about(subject.image, facts.invoke().hidden)
    source = "; ".join(fact.source for fact in (*present, *hidden))

    def wrong(record: Record) -> Iterator[Problem]:
        seen = record.environment
        for fact in present:
            for name in fact.names:
                if name not in seen:
                    yield Problem(f"{name} set", f"{name} {_NONE}", fact.source, _READ)
        for unwanted in hidden:
            for name in seen:
                if name not in view.config.env and any(fnmatch.fnmatchcase(name, glob) for glob in unwanted.globs):
                    yield Problem(f"{name} {_NONE}", f"{name}={seen[name]}", unwanted.source, _READ)
        for name, value in view.config.env.items():
            if name not in SHELL and seen.get(name) != value:
                told = f"{name}={seen[name]}" if name in seen else f"{name} {_NONE}"
                yield Problem(f"{name}={value}", told, "the image's configuration", _READ)

    return _judge(view, subject, "inside.environment", source, "the variables of an invocation", wrong)


def process(view: View, subject: Subject) -> Iterator[Finding]:
    """The runtime's process begins in /var/task with the usual umask and no descriptors but the standard ones."""
    source = "facts of the real environment: env.yaml: PWD; a rule of imagemill"

    def wrong(record: Record) -> Iterator[Problem]:
        if record.cwd != "/var/task":
            yield Problem("begins in /var/task", f"begins in {record.cwd}", source, _READ)
        if int(record.umask or "0", 8) != 0o022:
            yield Problem("umask 0022", f"umask {record.umask}", source, _READ)
        for number, target in record.descriptors.items():
            if int(number) > 2 and "/bootstrap" not in target:  # the shell has its script open
                yield Problem("descriptors 0, 1 and 2", f"{number} is {target}", source, _READ)

    return _judge(view, subject, "inside.process", source, "/var/task, umask 0022, three descriptors", wrong)


def writable(view: View, subject: Subject) -> Iterator[Finding]:
    """The function may write to /tmp; one that is not root may write nowhere else."""
    concerned = facts.about(subject.image, facts.invoke().writable)
    source = "; ".join(fact.source for fact in concerned)
    expected = {name for fact in concerned for name in fact.names}

    def wrong(record: Record) -> Iterator[Problem]:
        for name in sorted(expected - set(record.writable)):
            yield Problem(f"{name} writable", f"{name} not writable", source, _READ)
        for name in sorted(set(record.writable) - expected if record.uid else ()):
            yield Problem(f"{name} not writable", f"{name} writable", source, f"take the right to write to {name}")

    return _judge(view, subject, "inside.writable", source, ", ".join(sorted(expected)), wrong)


def place(view: View, subject: Subject) -> Iterator[Finding]:
    """The function's clock is in UTC, and its locale's characters are UTF-8."""
    source = f"{subject.base_file}: {subject.image.variant}.env: TZ, LANG"

    def wrong(record: Record) -> Iterator[Problem]:
        if record.zone != "UTC+0000":
            yield Problem("UTC+0000", record.zone or "no time zone", source, "have the time zone's file in a layer")
        if record.charmap and record.charmap != "UTF-8":
            yield Problem("UTF-8", record.charmap, source, "have the locale in a layer")

    return _judge(view, subject, "inside.place", source, "UTC, UTF-8", wrong)


def measures(view: View, subject: Subject) -> Iterator[Finding]:
    """What starting and calling it took, and which limits it had: for information, as machines and engines differ."""
    name, source = "inside.measures", "; ".join(fact.source for fact in facts.invoke().limits)
    record = _seen(view, subject, name, source)
    if isinstance(record, Finding):
        yield record
        return
    output = session.held(view, subject).get(session.SINGLE)
    told = [next(filter(None, found)) for found in re.findall(_TOLD, output.text)] if output else []
    words = [f"{what} {value}" for what, value in zip(("init", "call", "memory"), told, strict=False)]
    words += [f"{what} {value.replace(' ', '/')}" for what, value in record.limits.items()]
    expected = ", ".join(f"{fact.name} {fact.value}" for fact in facts.invoke().limits)
    yield Finding(subject.called, str(subject.platform), name, "info", f"on AWS: {expected}", ", ".join(words), source)


def recorded(view: View, subject: Subject) -> Record | None:
    """What a function sees in this image; None where nothing runs it, or where it gives no answer."""
    return _record(view, subject) if view.can_run and subject.image.variant != "build" else None


def _judge(view: View, subject: Subject, name: str, source: str, expected: str, wrong: _Judge) -> Iterator[Finding]:
    record = _seen(view, subject, name, source)
    if isinstance(record, Finding):
        yield record
        return
    yield from verdict(subject, name, list(wrong(record)), expected=expected, found="as expected", source=source)


def _seen(view: View, subject: Subject, name: str, source: str) -> Record | Finding:
    """What a function sees, or the finding where there is no telling."""
    if (skip := _skip(view, subject, name, source)) is not None:
        return skip
    # `answers` says why there is none
    none = skipped(subject, name, "no record to look at", source=source, remedy=_READ)
    return _record(view, subject) or none


def _ended(output: session.Output) -> str:
    return f"ends with {output.code}: {output.text.strip()[-200:] or 'nothing said'}"


def _record(view: View, subject: Subject, *, hardened: bool = False) -> Record | None:
    from imagemill import recorder

    said: Mapping[str, session.Output] = session.held(view, subject, hardened=hardened)
    for contract in (session.SINGLE, session.EMULATOR):
        found = re.search(_RECORD, said[contract].text) if contract in said else None
        if found:
            try:
                return recorder.parse(found[0], subject.called)
            except RecordError:
                return None
    return None


def _skip(view: View, subject: Subject, name: str, source: str) -> Finding | None:
    """The finding where there is nothing to hold: in images that call no functions, or without what runs them."""
    if subject.image.variant == "build":
        return inapplicable(subject, name, "build images call no functions", source=source)
    if not view.can_run:
        return skipped(subject, name, session.NO_RUNNER, source=source, remedy=session.SET_UP)
    return None
