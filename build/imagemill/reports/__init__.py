"""Reports of conformance: one summary, written as what each reader wants.

A table for people, JSON for programs, JUnit XML for CI systems, Markdown for the page of a CI run, and one HTML page
that needs nothing but itself. What writes each is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from imagemill.reports import table
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
    return click.unstyle("".join(f"{line}\n" for line in table.to_lines(report)))


def to_junit(report: Report) -> str:
    """The report as JUnit XML."""
    from imagemill.reports import junit

    return junit.to_junit(report)


def to_markdown(report: Report) -> str:
    """The report as Markdown."""
    from imagemill.reports import markdown

    return markdown.to_markdown(report)


def to_html(report: Report) -> str:
    """The report as one HTML page."""
    from imagemill.reports import html

    return html.to_html(report)


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "table": to_text,
    "json": to_json,
    "junit": to_junit,
    "markdown": to_markdown,
    "html": to_html,
}
"""What a report can be written as."""


def print_table(report: Report, *, stderr: bool = True, colour: bool | None = None) -> None:
    """The table for people; in colours where it goes to a terminal, unless `colour` says otherwise."""
    click.echo("\n".join(table.to_lines(report)), err=stderr, color=colour)


def write(report: Report, name: str, path: Path) -> None:
    """Write a report in the format of this name; directories are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FORMATS[name](report), encoding="utf-8")
