"""Checks on what is in files: secrets, compiled Python, and whether a function's user may read what it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imagemill import leaks
from imagemill.conform import facts
from imagemill.conform.finding import Finding, Problem, Subject, verdict
from imagemill.conform.system import ids
from imagemill.conform.view import View
from imagemill.filetree import Slice

_RULE = "a rule of imagemill"
_COMPILED = re.compile(r"\.cpython-3(\d+)\.(?:opt-\d\.)?pyc$")
_PYTHON = re.compile(r"(?:^|/)bin/python3\.(\d+)$")


def secrets(view: View, subject: Subject) -> Iterator[Finding]:
    """No keys and tokens in any layer, but those that packages publish on purpose.

    What a later layer hides can still be read by who has the image.
    """
    published = facts.matcher(facts.about(subject.image, facts.filesystem().published))
    sources = {leak.id: leak.source for leak in leaks.LEAKS}
    problems = [
        Problem(
            f"no {kind} in /{key}",
            f"/{key}, layer {number}: something that looks like one",  # not what: reports are shown around
            sources[kind],
            "take it out of every layer, and make it invalid: whoever has the image has it",
        )
        for number, layer in enumerate(view.layers, 1)
        if layer.leaks
        for key, entry in layer.entries
        if isinstance(entry.content, Slice) and entry.content.offset in layer.leaks and not published(f"/{key}")
        for kind in layer.leaks[entry.content.offset]
    ]
    return verdict(subject, "content.secrets", problems, expected="none", found="none", source=_RULE)


def bytecode(view: View, subject: Subject) -> Iterator[Finding]:
    """Compiled Python is for an interpreter that the image has: any other would be compiled again at each start."""
    there = {match[1] for key, _ in view.walk() if "bin/python3." in key and (match := _PYTHON.search(key))}
    problems, count = [], 0
    for key, entry in view.walk():
        match = _COMPILED.search(key) if key.endswith(".pyc") else None
        if match and entry.kind == "file":
            count += 1
            if match[1] not in there:
                has = ", ".join(f"3.{minor}" for minor in sorted(there, key=int)) or "none"
                problems.append(
                    Problem(
                        f"/{key}: for an interpreter of the image ({has})",
                        f"/{key}: for Python 3.{match[1]}",
                        "PEP 3147",
                        "compile it with the image's Python, or leave it out",
                    )
                )
    return verdict(
        subject,
        "content.bytecode",
        problems,
        expected="compiled files for an interpreter of the image",
        found=f"{count} compiled files",
        source="PEP 3147",
    )


def readable(view: View, subject: Subject) -> Iterator[Finding]:
    """What functions run from can be read by every user: Lambda runs them as one that owns nothing."""
    concerned = facts.about(subject.image, facts.filesystem().readable)
    places, sources = facts.matcher(concerned), ", ".join(fact.source for fact in concerned)
    problems, count = [], 0
    for key, entry in view.walk():
        if entry.kind not in ("file", "dir") or not places(f"/{key}"):
            continue
        count += 1
        wanted = 0o005 if entry.kind == "dir" else 0o004
        if entry.mode & wanted != wanted:
            found = f"/{key}: mode {entry.mode:04o}, owner {entry.uid}:{entry.gid}"
            problems.append(Problem(f"/{key} readable for all", found, sources, f"chmod o+rX /{key}"))
    return verdict(
        subject,
        "content.readable",
        problems,
        expected="files and directories that all can read",
        found=f"{count} of them",
        source=sources,
    )


def owners(view: View, subject: Subject) -> Iterator[Finding]:
    """Files belong to accounts and groups of the image: others are those of the machine that built it."""
    users, groups = ids(view, "/etc/passwd"), ids(view, "/etc/group")
    problems = [
        Problem(
            f"/{key}: an owner of /etc/passwd and a group of /etc/group",
            f"/{key}: owner {entry.uid}:{entry.gid}",
            _RULE,
            f"chown /{key}, or have the account",
        )
        for key, entry in view.walk()
        if entry.uid not in users or entry.gid not in groups
    ]
    return verdict(
        subject,
        "content.owners",
        problems,
        expected="owners that the image knows",
        found=f"all of them among {len(users)} accounts and {len(groups)} groups",
        source=_RULE,
    )
