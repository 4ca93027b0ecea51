"""Release notes as Markdown, for the page of a release on a code forge: a summary on top, details folded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from imagemill.diff import Change
from imagemill.publish.notes import Noted, Notes
from imagemill.reports.markdown import escaped, table

_STATES = ("changed", "new", "not compared", "rebuilt", "unchanged")
_ROOM = 120_000
"""Characters: a forge takes 125,000 in the text of a release."""


def to_markdown(notes: Notes) -> str:
    """The notes. Where they would be too long for a release's page, the details of the last images are left out."""
    told = [row for row in notes.images if row.state in ("changed", "not compared")]
    lines = [f"# {escaped(notes.date)}", "", _summary(notes), ""]
    lines += [*_overview(notes.images), ""]
    packages = _packages(notes.images)
    if packages:
        lines += ["## Packages", "", *packages, ""]
    if told:
        lines += ["## Images that changed", ""]
    text = "\n".join(lines) + "\n"
    rest = _unchanged(notes)
    for number, row in enumerate(told):
        detail = "\n".join(_detail(row)) + "\n\n"
        if len(text) + len(detail) + len(rest) > _ROOM:
            text += f"and {len(told) - number} more, which `imagemill diff` tells.\n\n"
            break
        text += detail
    return (text + rest).rstrip() + "\n"


def _summary(notes: Notes) -> str:
    counts = [(sum(row.state == state for row in notes.images), state) for state in _STATES]
    words = ", ".join(f"{count} {state}" for count, state in counts if count)
    since = f" since {', '.join(map(escaped, notes.since))}" if notes.since else ""
    images = "1 image" if len(notes.images) == 1 else f"{len(notes.images)} images"
    return f"{images}: {words or 'none'}{since}."


def _overview(images: Sequence[Noted]) -> list[str]:
    rows = []
    for row in images:
        if row.state in ("changed", "new", "not compared"):
            about = row.why or _counted(row)
            rows.append([f"`{row.image}`", row.state, escaped(about), _sizes(row), f"`{row.digest}`"])
    return table(["image", "", "what changed", "MB to pull", "digest"], rows) if rows else []


def _unchanged(notes: Notes) -> str:
    """What there is nothing to tell of: names."""
    lines = []
    for state, words in (("rebuilt", "built again, with the same content"), ("unchanged", "unchanged")):
        names = [f"`{row.image}`" for row in notes.images if row.state == state]
        if names:
            lines += [f"<details><summary>{len(names)} {words}</summary>", "", ", ".join(names), "", "</details>", ""]
    if notes.gone:
        names = [f"`{name}`" for name in notes.gone]
        lines += [f"Released no longer (their tags stay): {', '.join(names)}.", ""]
    return "\n".join(lines)


def _packages(images: Sequence[Noted]) -> list[str]:
    """Each change of a package, and the images that have it."""
    compared = [row for row in images if row.diffs]
    found: dict[Change, list[str]] = {}
    for row in compared:
        for change in row.changes("packages"):
            found.setdefault(change, []).append(row.image)
    rows = [
        [escaped(change.what), escaped(change.before), escaped(change.after),
         "all that changed" if len(names) == len(compared) > 1 else ", ".join(f"`{name}`" for name in names)]
        for change, names in sorted(found.items(), key=lambda row: row[0].what)
    ]  # fmt: skip
    return table(["package", "before", "after", "images"], rows) if rows else []


def _detail(row: Noted) -> Iterator[str]:
    yield f"<details><summary><code>{row.image}</code>: {'not compared' if row.why else _counted(row)}</summary>"
    yield ""
    yield f"`{row.digest_before}` → `{row.digest}`"
    yield ""
    if row.why:
        yield f"Not compared: {escaped(row.why)}"
        yield ""
    for title, changes in (
        ("Packages", row.changes("packages")),
        ("Environment", row.changes("environment")),
        ("Configuration", row.changes("configuration")),
        ("Tools", row.changes("tools")),
    ):
        if changes:
            yield f"**{title}**"
            yield ""
            yield from _changes(changes, sorted(row.diffs))
            yield ""
    for platform, found in sorted(row.diffs.items()):
        kinds = [file.change for file in found.files]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("added", "removed", "changed") if kind in kinds)
        sizes = f"{_mb(found.one.unpacked)} → {_mb(found.other.unpacked)} MB unpacked"
        yield f"- {platform}: files {counts or 'unchanged'}; {sizes}"
    for platform in sorted(row.before.keys() ^ row.after.keys()):
        yield f"- {platform}: {'new' if platform in row.after else 'no longer there'}"
    yield ""
    yield "</details>"


def _changes(changes: Mapping[Change, Sequence[str]], platforms: Sequence[str]) -> list[str]:
    """A table of changes; with the platforms where not all have all of them."""
    apart = any(list(where) != list(platforms) for where in changes.values())
    head = ["what", "before", "after", *(["platforms"] if apart else [])]
    rows = [
        [escaped(change.what), escaped(change.before), escaped(change.after), *([", ".join(where)] if apart else [])]
        for change, where in changes.items()
    ]
    return table(head, rows)


def _counted(row: Noted) -> str:
    """What changed, in numbers: `2 packages upgraded, 1 added; environment`."""
    packages = row.changes("packages")
    kinds = [
        ("upgraded", sum(bool(one.before and one.after) for one in packages)),
        ("added", sum(not one.before for one in packages)),
        ("removed", sum(not one.after for one in packages)),
    ]
    words = [f"packages: {', '.join(f'{count} {kind}' for kind, count in kinds if count)}"] if packages else []
    words += ["environment"] if row.changes("environment") else []
    words += ["configuration"] if row.changes("configuration") else []
    words += ["tools"] if row.changes("tools") else []
    if not words and any(found.files for found in row.diffs.values()):
        words = ["files"]
    if row.before and row.before.keys() != row.after.keys():
        words.append("platforms")
    return "; ".join(words)


def _sizes(row: Noted) -> str:
    """Bytes to pull of each platform, in their order: `62.1 → 62.3, 60.0 → 60.1`."""
    return ", ".join(
        f"{_mb(row.before[platform])} → {_mb(size)}" if platform in row.before else _mb(size)
        for platform, size in sorted(row.after.items())
    )


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f}"
