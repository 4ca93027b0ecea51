"""The command that lists what is published."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from imagemill.cli.shared import catalog_of, checkout

_WIDE = 200  # characters of lines that no terminal shows


@click.command()
@click.argument("repositories", nargs=-1, metavar="[REGISTRY/REPOSITORY]...")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True,
    help="How to say it, on stdout.",
)  # fmt: skip
@click.pass_obj
def tags(root: Path | None, repositories: Sequence[str], form: str) -> None:
    """List published tags: digest, when it was made, platforms, kinds of signatures, and when AWS's support ends.

    Without a repository those of publish.yaml. What signs a tag is not checked here: `imagemill verify` does.
    """
    from rich.console import Console

    from imagemill.errors import CheckoutError
    from imagemill.mirrors import Mirrors
    from imagemill.plan import plan
    from imagemill.publish import listing, settings
    from imagemill.registry.opening import open_repository
    from imagemill.web import Web

    try:
        top = checkout(root)
        ends: Mapping[str, datetime.date] = listing.ends_of_life(plan(catalog_of(top)))
        known = settings.read(top)
    except CheckoutError:
        if not repositories:
            raise
        ends, known = {}, settings.Settings()
    web = Web(Mirrors.discover(os.environ))
    rows: list[listing.Listed] = []
    for place in settings.destinations(known, tuple(repositories)):
        found = listing.listed(open_repository(place.to, web, os.environ), ends, place.to)
        if not found:
            click.echo(f"{place.to}: no tags", err=True)
        rows += found
    if form == "text":
        listing.show(
            rows, datetime.datetime.now(datetime.UTC).date(), Console(width=None if sys.stdout.isatty() else _WIDE)
        )
    else:
        click.echo(listing.to_json(rows) if form == "json" else listing.to_markdown(rows), nl=False)
