"""Go's filepath.Match, which COPY and ADD name their sources with. `**` means no more than `*` there.

Source: Go's documentation of path/filepath, Match.
"""

from __future__ import annotations

import re
from functools import lru_cache


def is_glob(component: str) -> bool:
    """Whether this part of a path has a wildcard that no backslash escapes."""
    return re.search(r"[*?\[]", re.sub(r"\\.?", "", component)) is not None


def matches(pattern: str, path: str) -> bool:
    """Whether the whole path is matched. ValueError for a malformed pattern."""
    return _compile(pattern).fullmatch(path) is not None


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[":
            group, at = _group(pattern, at)
            out += group
        elif char == "\\":
            if at == len(pattern):
                raise ValueError(f"{pattern!r} ends in a backslash")
            out += re.escape(pattern[at])
            at += 1
        else:
            out += re.escape(char)
    return re.compile(out, re.DOTALL)


def _group(pattern: str, at: int) -> tuple[str, int]:
    """The class that begins behind a `[`, and where it ends; it may match a slash."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges = ""
    while True:
        if pattern.startswith("]", at) and ranges:
            return f"[{'^' if negated else ''}{ranges}]", at + 1
        first, at = _member(pattern, at)
        last = first
        if pattern.startswith("-", at):
            last, at = _member(pattern, at + 1)
        if first > last:
            first = last = "\0"  # a range that is upside down: it holds nothing, and no path has a zero byte
        ranges += f"{re.escape(first)}-{re.escape(last)}"


def _member(pattern: str, at: int) -> tuple[str, int]:
    """One character of a class, and where the next one is; something has to follow it."""
    if pattern[at : at + 1] not in ("", "-", "]"):
        at += pattern[at] == "\\"
        if at + 1 < len(pattern):
            return pattern[at], at + 1
    raise ValueError(f"{pattern!r} has a class that is empty or not closed")
