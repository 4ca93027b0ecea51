"""Checks on the environment variables that an image gives its processes."""

from __future__ import annotations

from collections.abc import Iterator

from imagemill.conform import facts
from imagemill.conform.finding import Finding, Problem, Subject, verdict
from imagemill.conform.view import View

SEARCH_PATHS = ("PATH", "LD_LIBRARY_PATH")
_ABSENT = "(not set)"


def exact(view: View, subject: Subject) -> Iterator[Finding]:
    """Every variable has the manifest's value, which is the real one's too; there are no others."""
    expected, found = subject.image.env, view.config.env
    problems = [
        Problem(
            f"{name}={expected[name]}" if name in expected else f"{name} {_ABSENT}",
            f"{name}={found[name]}" if name in found else f"{name} {_ABSENT}",
            _origin(subject, name),
            f"render and build the image again, or correct {name} in the manifest",
        )
        for name in sorted((expected.keys() | found.keys()) - set(SEARCH_PATHS) - _forbidden(subject))
        if expected.get(name) != found.get(name)
    ]
    for fact in facts.about(subject.image, facts.environment().variables):
        manifest = expected.get(fact.name)
        if manifest is not None and manifest != fact.value:
            problems.append(
                Problem(
                    f"{fact.name}={fact.value}",
                    f"{fact.name}={manifest} in the manifest",
                    fact.source,
                    f"correct {_origin(subject, fact.name)}",
                )
            )
    return verdict(
        subject,
        "environment.exact",
        problems,
        expected=f"{len(expected)} variables",
        found=f"{len(found)} variables, all as planned",
        source=f"{subject.base_file}: {subject.image.variant}.env; {subject.runtime_file}: env",
    )


def absent(view: View, subject: Subject) -> Iterator[Finding]:
    """What belongs to the service's inside, or to a single invocation, is not in the image."""
    concerned = facts.about(subject.image, facts.environment().absent)
    problems = [
        Problem(
            f"{name} {_ABSENT}",
            f"{name}={view.config.env[name]}",
            fact.source,
            f"remove {name} from the image",
        )
        for fact in concerned
        for name in fact.names
        if name in view.config.env
    ]
    count = sum(len(fact.names) for fact in concerned)
    return verdict(
        subject,
        "environment.absent",
        problems,
        expected=f"none of {count} internal variables",
        found="none of them",
        source="; ".join(fact.source for fact in concerned),
    )


def search_path(view: View, subject: Subject) -> Iterator[Finding]:
    """PATH and LD_LIBRARY_PATH: absolute entries, the manifest's, in the order that Lambda has."""
    problems: list[Problem] = []
    for name in SEARCH_PATHS:
        planned, found = subject.image.env.get(name), view.config.env.get(name)
        origin = _origin(subject, name)
        if planned != found:
            problems.append(Problem(f"{name}={planned}", f"{name}={found}", origin, "render and build the image again"))
        relative = [entry for entry in (found or "").split(":") if found and not entry.startswith("/")]
        if relative and planned == found:
            problems.append(
                Problem(f"absolute entries in {name}", f"{name}={found}", origin, "start each entry with '/'")
            )
    for fact in facts.about(subject.image, facts.environment().search_paths):
        planned = subject.image.env.get(fact.name, "")
        entries = [entry.rstrip("/") for entry in planned.split(":")]
        if [entry for entry in entries if entry in fact.order] != list(fact.order):
            problems.append(
                Problem(
                    f"{fact.name} with {':'.join(fact.order)} in this order",
                    f"{fact.name}={planned} in the manifest",
                    fact.source,
                    f"correct {_origin(subject, fact.name)}",
                )
            )
    return verdict(
        subject,
        "environment.search-path",
        problems,
        expected=f"{' and '.join(SEARCH_PATHS)} as planned",
        found=f"PATH={view.config.env.get('PATH')}",
        source=_origin(subject, "PATH"),
    )


def _forbidden(subject: Subject) -> set[str]:
    """Variables that `absent` speaks of, so that one mistake is one finding."""
    return {name for fact in facts.about(subject.image, facts.environment().absent) for name in fact.names}


def _origin(subject: Subject, name: str) -> str:
    """The manifest's file and key that give a variable its value."""
    runtime, variant = subject.image.runtime, subject.image.variant
    if variant == "build" and name in runtime.build_env:
        return f"{subject.runtime_file}: build_env.{name}"
    if name in runtime.env:
        return f"{subject.runtime_file}: env.{name}"
    return f"{subject.base_file}: {variant}.env.{name}"
