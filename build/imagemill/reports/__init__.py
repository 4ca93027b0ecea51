"""Reports of conformance: one summary, written as what each reader wants.

A table for people, JSON for programs, JUnit XML for CI systems, Markdown for the page of a CI run, and one HTML page
that needs nothing but itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from imagemill.reports import table
from imagemill.reports.html import to_html
from imagemill.reports.junit import to_junit
from imagemill.reports.markdown import to_markdown
from imagemill.reports.summary import Behaviour, Judged, Report, exit_code, joined, read, to_json

__all__ = [
    "FORMATS",
    "Behaviour",
    "Judged",
    "Report",
    "exit_code",
    "joined",
    "print_table",
    "read",
    "to_html",
    "to_json",
    "to_junit",
    "to_markdown",
    "to_text",
    "write",
]


def to_text(report: Report) -> str:
    """The table as plain text, lines as long as they are."""
    console = Console(width=1000, no_color=True, force_terminal=False, record=False)
    with console.capture() as captured:
        table.show(report, console)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "table": to_text,
    "json": to_json,
    "junit": to_junit,
    "markdown": to_markdown,
    "html": to_html,
}
"""What a report can be written as."""


def print_table(report: Report, *, stderr: bool = True) -> None:
    """The table for people, with colours where it goes to a terminal."""
    table.show(report, Console(stderr=stderr))


def write(report: Report, name: str, path: Path) -> None:
    """Write a report in the format of this name; directories are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FORMATS[name](report), encoding="utf-8")
