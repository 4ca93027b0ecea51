"""What `.dockerignore` keeps out of a context, so that every engine sees the same one.

The rules are those of moby/patternmatcher as Docker's command line and BuildKit walk a context with it: the last
pattern that matches a path, or a directory above it, decides; `!` lets in again; `**` stands for any number of
directories. An escaped letter is that letter here; there it may become a class of Go's regular expressions.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from functools import cache

from msgspec.structs import replace

from imagemill.errors import DockerfileError
from imagemill.filetree import Tree

NAME = ".dockerignore"


def visible(tree: Tree, text: str) -> Tree:
    """The part of a context that is left when `text`, the content of .dockerignore, is heeded.

    Directories on the way to what is let in again stay. DockerfileError for a pattern that is none.
    """
    ignored = reader(text)
    kept = {path for path in tree if not ignored(path)}
    for path in list(kept):
        while path := posixpath.dirname(path):
            kept.add(path)
    left: Tree = {}
    first: dict[str, str] = {}  # a file that is kept out -> the first of its hard links that is not
    for path in sorted(kept):
        entry = tree[path]
        if entry.kind == "hardlink" and entry.target not in kept:
            holder = first.setdefault(entry.target, path)
            entry = tree[entry.target] if holder == path else replace(entry, target=holder)
        left[path] = entry
    return left


def reader(text: str) -> Callable[[str], bool]:
    """Says of a path without a leading slash whether `text` keeps it out."""
    rules = [(pattern.startswith("!"), _compile(pattern.removeprefix("!"))) for pattern in _patterns(text)]

    @cache
    def judged(path: str) -> tuple[bool, tuple[bool, ...]]:
        """Whether a path is kept out, and which rules match it or a directory above it."""
        above = posixpath.dirname(path)
        inherited = judged(above)[1] if above else (False,) * len(rules)
        out, matched = False, []
        for (negated, pattern), match in zip(rules, inherited, strict=True):
            # a rule that would change nothing is not asked, and then does not count for what is below either
            match = match or (negated == out and pattern.fullmatch(path) is not None)
            matched.append(match)
            out = not negated if match else out
        return out, tuple(matched)

    return lambda path: judged(path)[0]


def _patterns(text: str) -> list[str]:
    found = []
    for line in text.removeprefix("\ufeff").split("\n"):
        pattern = line.strip()
        if not pattern or line.startswith("#"):
            continue
        negation = "!" if pattern.startswith("!") else ""
        pattern = pattern.removeprefix("!").strip()
        if not pattern:
            if negation:
                raise DockerfileError(f"{NAME}: a line is only !", "say what is let in again")
            continue
        # "/" and what climbs out mean nothing in a context
        pattern = posixpath.normpath(pattern).lstrip("/") or "."
        found.append(negation + pattern)
    return found


def _compile(pattern: str) -> re.Pattern[str]:
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if pattern.startswith("**", at - 1):
            at += 1
            if pattern.startswith("/", at):
                at += 1
                out += "(?:.*/)?"
            else:
                out += ".*"
        elif char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "\\":
            if at == len(pattern):
                raise DockerfileError(f"{NAME}: {pattern!r} ends in a backslash", "write two")
            out += re.escape(pattern[at])
            at += 1
        elif char == "[":
            end = pattern.find("]", at + 1 + pattern.startswith("^", at))
            if end < 0:
                raise DockerfileError(f"{NAME}: {pattern!r} has a [ that is not closed", "write \\[")
            out += pattern[at - 1 : end + 1]
            at = end + 1
        else:
            out += re.escape(char)
    try:
        return re.compile(out, re.DOTALL)
    except re.error as error:
        raise DockerfileError(f"{NAME}: {pattern!r}: {error}", "see the Dockerfile reference") from None
