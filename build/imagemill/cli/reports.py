"""Reports of conformance: where commands leave them, and writing old ones anew."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from imagemill.reports import Report

FORMATS = ("table", "json", "junit", "markdown", "html")

Wanted = tuple[str, str]
"""A format, and the file that a report goes to in it; `-` is standard output."""


def _wanted(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> list[Wanted]:
    found = []
    for value in values:
        form, _, file = value.partition("=")
        if form not in FORMATS or not file:
            names = ", ".join(FORMATS)
            raise click.BadParameter(f"{value!r} is not FORMAT=FILE, FORMAT being one of {names}", ctx, param)
        found.append((form, file))
    return found


report_option = click.option(
    "--report", "wanted", multiple=True, callback=_wanted, metavar="FORMAT=FILE",
    help="Write the report to FILE, - being stdout, as table, json, junit, markdown or html; may be repeated: "
    "--report html=report.html --report junit=report.xml",
)  # fmt: skip


def write(report: Report, wanted: Sequence[Wanted]) -> None:
    """Write a report wherever it is wanted."""
    from imagemill import reports

    for form, file in wanted:
        if file == "-":
            click.echo(reports.FORMATS[form](report), nl=False)
        else:
            reports.write(report, form, Path(file))


@click.command("report")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="REPORT.JSON..."
)
@report_option
def report(files: Sequence[Path], wanted: Sequence[Wanted]) -> None:
    """Show reports that `conform --report json=FILE` has written, or write them in other formats.

    Several become one, as for the shares of a build. The exit code says whether they could be read, not what they say.
    """
    from imagemill import reports

    found = reports.joined([reports.read(file) for file in files])
    write(found, wanted)
    if not wanted:
        reports.print_table(found, stderr=False, colour=False if os.environ.get("NO_COLOR") else None)
