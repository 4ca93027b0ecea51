"""Checks on the rest of an image's configuration: what `docker inspect` shows."""

from __future__ import annotations

from collections.abc import Iterator

from imagemill.conform.finding import Finding, Problem, Subject, verdict
from imagemill.conform.view import View

_AGAIN = "render and build the image again, or correct the manifest"


def architecture(view: View, subject: Subject) -> Iterator[Finding]:
    """The configuration names the platform that the image was planned for."""
    found = f"{view.config.os}/{view.config.architecture}"
    source = f"{subject.runtime_file}: platforms"
    return _same(subject, "configuration.architecture", str(subject.platform), found, source)


def user(view: View, subject: Subject) -> Iterator[Finding]:
    """The user that processes run as; none means root."""
    planned = subject.image.configuration.user
    return _same(
        subject,
        "configuration.user",
        planned or "(root)",
        view.config.user or "(root)",
        _key(subject, "user"),
    )


def workdir(view: View, subject: Subject) -> Iterator[Finding]:
    """The working directory."""
    planned = subject.image.configuration.workdir
    return _same(subject, "configuration.workdir", planned, view.config.workdir, _key(subject, "workdir"))


def entrypoint(view: View, subject: Subject) -> Iterator[Finding]:
    """The entrypoint, word by word."""
    image = subject.image
    own = image.variant == "run" and image.runtime.entrypoint
    source = f"{subject.runtime_file}: entrypoint" if own else _key(subject, "entrypoint")
    return _same(
        subject,
        "configuration.entrypoint",
        str(list(image.entrypoint)),
        str(list(view.config.entrypoint)),
        source,
    )


def command(view: View, subject: Subject) -> Iterator[Finding]:
    """The default command, word by word."""
    planned = list(subject.image.configuration.cmd)
    return _same(subject, "configuration.command", str(planned), str(list(view.config.cmd)), _key(subject, "cmd"))


def ports(view: View, subject: Subject) -> Iterator[Finding]:
    """The ports that the image declares."""
    planned = sorted(f"{port}/tcp" for port in subject.image.configuration.ports)
    found = [port if "/" in port else f"{port}/tcp" for port in view.config.ports]
    return _same(subject, "configuration.ports", str(planned), str(sorted(found)), _key(subject, "ports"))


def labels(view: View, subject: Subject) -> Iterator[Finding]:
    """The labels that were planned, with their values."""
    problems = [
        Problem(f"{name}={value}", f"{name}={view.config.labels.get(name)}", f"the plan: label {name}", _AGAIN)
        for name, value in sorted(subject.labels.items())
        if view.config.labels.get(name) != value
    ]
    return verdict(
        subject,
        "configuration.labels",
        problems,
        expected=f"{len(subject.labels)} labels",
        found=f"all of them, among {len(view.config.labels)}",
        source="the plan: labels",
    )


def lock(view: View, subject: Subject) -> Iterator[Finding]:
    """Whether the packages are those that the lock names; what had to be resolved again is told, and fails nothing."""
    check, label = "configuration.lock", "io.imagemill.lock"
    state = view.config.labels.get(label, "")
    source = f"runtimes/lock/{subject.image.base.name}.json, by the label {label}"
    if state.startswith("refreshed: "):
        remedy = "run `imagemill lock --update`, or build with --locked"
        yield Finding(subject.called, str(subject.platform), check, "info", "exact", state, source, remedy)
    else:
        yield from _same(subject, check, "exact", state or "no label", source)


def _key(subject: Subject, name: str) -> str:
    return f"{subject.base_file}: {subject.image.variant}.{name}"


def _same(subject: Subject, check: str, expected: str, found: str, source: str) -> Iterator[Finding]:
    problems = [Problem(expected, found, source, _AGAIN)] if expected != found else []
    return verdict(subject, check, problems, expected=expected, found=found, source=source)
