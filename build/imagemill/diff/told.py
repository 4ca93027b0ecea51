"""A diff as text for people, JSON for programs, and Markdown for the page of a release."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

from imagemill.diff import Change, Diff, FileChange, Side
from imagemill.reports.markdown import escaped, table
from imagemill.reports.summary import printable

MOST = 200
"""Files that Markdown tells one by one."""

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def to_json(found: Diff) -> str:
    """The diff as JSON: sorted, indented, ASCII. Its schema is diff.schema.json, beside this module."""
    return json.dumps(asdict(found), indent=1, sort_keys=True) + "\n"


def to_text(found: Diff) -> str:
    """The diff as text, a line for each thing: `+` is new, `-` is gone, `~` is another."""
    lines = [f"- {_named(found.one)}", f"+ {_named(found.other)}"]
    if found.same:
        return "\n".join([*lines, "no difference"]) + "\n"
    for title, changes in _sections(found):
        if changes:
            lines += ["", f"{title}:", *(f"  {_line(change)}" for change in changes)]
    if found.files:
        lines += ["", f"files ({_counts(found)}):"]
        for file in found.files:
            lines.append(f"  {_SIGNS[file.change]} {file.path} {_about(file)}")
    lines += ["", "sizes:", *(f"  {line}" for line in _sizes(found))]
    return "".join(f"{printable(line)}\n" for line in lines)


def to_markdown(found: Diff) -> str:
    """The diff as Markdown: what people ask of a release first, the files folded."""
    lines = [f"## {escaped(found.one.name)} → {escaped(found.other.name)}", "", f"{escaped(found.other.platform)}, "]
    lines[-1] += f"`{found.one.digest[:19]}` → `{found.other.digest[:19]}`."
    if found.same:
        return "\n".join([*lines, "", "No difference."]) + "\n"
    lines += ["", *(f"- {escaped(line)}" for line in _sizes(found))]
    for title, changes in _sections(found):
        if changes:
            rows = [[escaped(change.what), escaped(change.before), escaped(change.after)] for change in changes]
            lines += ["", f"### {title.capitalize()}", "", *table(["what", "before", "after"], rows)]
    if found.files:
        rows = [[_SIGNS[file.change], escaped(file.path), escaped(_about(file))] for file in found.files[:MOST]]
        lines += ["", f"<details><summary>Files: {_counts(found)}</summary>", "", *table(["", "path", "how"], rows), ""]
        if len(found.files) > MOST:
            lines += [f"and {len(found.files) - MOST} more, which the text and JSON tell.", ""]
        lines.append("</details>")
    return "\n".join(lines) + "\n"


FORMATS: Mapping[str, Callable[[Diff], str]] = {"text": to_text, "json": to_json, "markdown": to_markdown}
"""What a diff can be written as."""


def _sections(found: Diff) -> list[tuple[str, Sequence[Change]]]:
    return [
        ("environment", found.environment),
        ("configuration", found.configuration),
        ("packages", found.packages),
        ("tools", found.tools),
    ]


def _named(side: Side) -> str:
    return f"{side.name} {side.platform} {side.digest}"


def _line(change: Change) -> str:
    if not change.before:
        return f"+ {change.what} {change.after}"
    if not change.after:
        return f"- {change.what} {change.before}"
    return f"~ {change.what}: {change.before} → {change.after}"


def _about(file: FileChange) -> str:
    if file.change != "changed":
        return " ".join([*(change.before or change.after for change in file.properties), *_bytes(file)])
    return ", ".join(_property(change) for change in file.properties)


def _property(change: Change) -> str:
    return "content" if change.what == "content" else f"{change.what} {change.before} → {change.after}"


def _bytes(file: FileChange) -> Iterator[str]:
    size = file.size_before or file.size_after
    if size:
        yield f"{size} bytes"


def _counts(found: Diff) -> str:
    kinds = [file.change for file in found.files]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("added", "removed", "changed") if kind in kinds)


def _sizes(found: Diff) -> Iterator[str]:
    one, other = found.one, found.other
    yield _size("to pull", one.size, other.size)
    yield _size("unpacked", one.unpacked, other.unpacked)
    yield f"files and directories: {one.files} → {other.files}"
    yield f"layers: {one.layers} → {other.layers}"


def _size(what: str, before: int, after: int) -> str:
    return f"{what}: {before / 1e6:.1f} → {after / 1e6:.1f} MB ({(after - before) / 1e6:+.1f})"
