"""Checks on every file: what an image must not hold, whoever put it there."""

from __future__ import annotations

from collections.abc import Iterator

from imagemill.conform import facts
from imagemill.conform.finding import Finding, Problem, Subject, verdict
from imagemill.conform.view import View
from imagemill.filetree import Entry

_SETID = 0o6000
_STICKY = 0o1000
_WORLD_WRITABLE = 0o002
_CAPABILITY = "security.capability"
_RULE = "a rule of imagemill"


def privileged(view: View, subject: Subject) -> Iterator[Finding]:
    """No program takes another's rights, by its mode or by file capabilities."""
    problems = [
        Problem(
            f"/{key} without set-user-id, set-group-id and capabilities",
            f"/{key}: mode {entry.mode:04o}{', capabilities' if _CAPABILITY in entry.xattrs else ''}",
            _RULE,
            "leave it out, or take the right from it",
        )
        for key, entry in view.walk()
        if entry.kind == "file" and (entry.mode & _SETID or _CAPABILITY in entry.xattrs)
    ]
    return verdict(subject, "files.privileged", problems, expected="none", found="none", source=_RULE)


def world_writable(view: View, subject: Subject) -> Iterator[Finding]:
    """What everybody may write is a directory with the sticky bit."""
    problems, count = [], 0
    for key, entry in view.walk():
        if entry.mode & _WORLD_WRITABLE and entry.kind in ("file", "dir"):
            count += 1
            if entry.kind == "file" or not entry.mode & _STICKY:
                problems.append(
                    Problem(
                        f"/{key} writable by its owner, or sticky",
                        f"/{key}: {entry.kind}, mode {entry.mode:04o}",
                        _RULE,
                        "take the right to write from others",
                    )
                )
    return verdict(
        subject,
        "files.world-writable",
        problems,
        expected="sticky directories only",
        found=f"{count} sticky directories",
        source=_RULE,
    )


def links(view: View, subject: Subject) -> Iterator[Finding]:
    """Every link leads somewhere, and does not climb above the root on its way."""
    fine = facts.matcher(facts.about(subject.image, facts.filesystem().links))
    problems, count = [], 0
    for key, entry in view.walk():
        if entry.kind == "hardlink":
            problems.append(
                Problem(
                    f"/{key}: a file",
                    f"hard link to /{entry.target}, which is missing",
                    _RULE,
                    "build it again",
                )
            )
        if entry.kind != "symlink":
            continue
        count += 1
        end, climbs = view.link_end(key)
        if climbs:
            problems.append(
                Problem("a link inside the image", f"/{key} -> {entry.target}", _RULE, "shorten its target")
            )
        elif end is None and not fine(f"/{key}") and not fine(_lexical(key, entry.target)):
            problems.append(
                Problem(
                    "a link that leads somewhere",
                    f"/{key} -> {entry.target}",
                    _RULE,
                    "leave it out, or mend its target",
                )
            )
    return verdict(
        subject,
        "files.links",
        problems,
        expected="links that lead somewhere",
        found=f"{count} links",
        source=", ".join(fact.id for fact in facts.filesystem().links),
    )


def devices(view: View, subject: Subject) -> Iterator[Finding]:
    """No device nodes and no pipes: the engine makes those that a container has."""
    problems = [
        Problem(f"/{key}: nothing", f"/{key}: {entry.kind}", _RULE, "leave it out of the layer")
        for key, entry in view.walk()
        if entry.kind in ("char", "block", "fifo")
    ]
    return verdict(subject, "files.devices", problems, expected="none", found="none", source=_RULE)


def leftovers(view: View, subject: Subject) -> Iterator[Finding]:
    """No caches, logs, temporary files, or traces of the machine that built the image."""
    concerned = facts.about(subject.image, facts.filesystem().leftovers)
    left = facts.matcher(concerned)
    problems = [
        Problem(f"nothing at /{key}", f"/{key}: {entry.size} bytes", fact.source, "leave it out of the layer")
        for key, entry in view.walk()
        if entry.kind == "file" and left(f"/{key}") and entry.size
        for fact in concerned
        if facts.matcher([fact])(f"/{key}")
    ]
    return verdict(
        subject,
        "files.leftovers",
        problems,
        expected="none",
        found="none",
        source=", ".join(fact.id for fact in concerned),
    )


def times(view: View, subject: Subject) -> Iterator[Finding]:
    """No file is younger than the inputs that the image was made from."""
    epoch = subject.epoch
    young: list[tuple[str, Entry]] = []
    if epoch is not None:
        young = [(key, entry) for key, entry in view.walk() if entry.mtime > epoch]
    problems = [
        Problem(
            f"/{key}: not after {epoch}",
            f"/{key}: {entry.mtime}",
            "the lock's date",
            "clamp the layer's times",
        )
        for key, entry in young
    ]
    return verdict(
        subject,
        "files.times",
        problems,
        expected=f"not after {epoch}" if epoch is not None else "anything",
        found="all of them" if epoch is not None else "not asked for",
        source="the lock's date",
    )


def _lexical(key: str, target: str) -> str:
    """Where a link points by its text alone, for links to what only a running container has."""
    parts = [] if target.startswith("/") else key.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
