"""`.dockerignore`: which files of a context an engine does not see.

Source: Dockerfile reference, ".dockerignore file". The last pattern to match a path or a directory above it decides.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from functools import cache

from imagemill.filetree import Entry, Tree

FILE = ".dockerignore"


def visible(files: Mapping[str, Entry]) -> Tree:
    """The context without what its .dockerignore leaves out; directories above a file that stays do stay."""
    rules = _rules(files[FILE].read().decode()) if FILE in files else []
    kept = {path for path in files if not _ignored(path, rules)}
    for path in list(kept):
        while path := posixpath.dirname(path):
            kept.add(path)
    return {path: entry for path, entry in files.items() if path in kept}


def _rules(text: str) -> list[tuple[re.Pattern[str], bool]]:
    """Patterns in their order, and whether each brings back what others leave out."""
    found = []
    for line in text.splitlines():
        line = line.strip() if not line.startswith("#") else ""
        back = line.startswith("!")
        pattern = line[1:].strip() if back else line
        if not pattern or pattern == ".":
            continue
        found.append((pattern_of(posixpath.normpath(pattern).lstrip("/")), back))
    return found


def _ignored(path: str, rules: list[tuple[re.Pattern[str], bool]]) -> bool:
    parts = path.split("/")
    places = ["/".join(parts[: number + 1]) for number in range(len(parts))]
    ignored = False
    for pattern, back in rules:
        if ignored == back and any(pattern.fullmatch(place) for place in places):
            ignored = not back
    return ignored


@cache
def pattern_of(glob: str) -> re.Pattern[str]:
    """A glob of Go's filepath.Match, in which `**` stands for any number of directories."""
    found, at = "", 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*" and glob[at : at + 1] == "*":
            at += 1
            if glob[at : at + 1] == "/":
                found, at = found + "(?:.*/)?", at + 1
            else:
                found += ".*"
        elif char == "*":
            found += "[^/]*"
        elif char == "?":
            found += "[^/]"
        elif char == "[" and (end := glob.find("]", at)) > at:
            negated = glob[at] == "^"
            body = glob[at + negated : end].replace("\\", "\\\\").replace("[", "\\[")
            found, at = found + f"[{'^' if negated else ''}{body}]", end + 1
        elif char == "\\" and at < len(glob):
            found, at = found + re.escape(glob[at]), at + 1
        else:
            found += re.escape(char)
    return re.compile(found, re.DOTALL)
