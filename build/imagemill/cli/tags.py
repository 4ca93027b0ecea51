"""The command that lists what is published."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagemill.cli.shared import catalog_of, checkout

if TYPE_CHECKING:
    from imagemill.publish.settings import Destination

_WIDE = 200  # characters of lines that no terminal shows


@click.command()
@click.argument("repositories", nargs=-1, metavar="[REGISTRY/REPOSITORY]...")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True,
    help="How to say it, on stdout.",
)  # fmt: skip
@click.option(
    "--trust-server", default="", envvar="DOCKER_CONTENT_TRUST_SERVER", metavar="URL",
    help="A notary that says what else is signed; default: what publish.yaml says.",
)  # fmt: skip
@click.pass_obj
def tags(root: Path | None, repositories: Sequence[str], form: str, trust_server: str) -> None:
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
        repository = open_repository(place.to, web, os.environ)
        found = listing.listed(repository, ends, place.to, _trusted(place, trust_server))
        if not found:
            click.echo(f"{place.to}: no tags", err=True)
        rows += found
    if form == "text":
        listing.show(
            rows, datetime.datetime.now(datetime.UTC).date(), Console(width=None if sys.stdout.isatty() else _WIDE)
        )
    else:
        click.echo(listing.to_json(rows) if form == "json" else listing.to_markdown(rows), nl=False)


def _trusted(place: Destination, server: str) -> dict[str, str]:
    """The digests of tags that Docker Content Trust's metadata has, whoever signed it; TrustError for a broken one."""
    from imagemill import dockerconfig
    from imagemill.trust.notary import Notary, pool_for
    from imagemill.trust.reader import Anchor, signed
    from imagemill.trust.static import Static
    from imagemill.trust.store import Reader, Unsigned

    address = server or (place.trust.server if place.trust else "")
    home = Path.home()
    store: Reader
    if address:
        login = dockerconfig.login_for_notary(os.environ, address, place.to)
        store = Notary(address, place.to, pool_for(address, os.environ, home), login)
    elif place.trust and place.trust.static:
        store = Static(Path(place.trust.static), place.to, lambda line: click.echo(line, err=True))
    else:
        return {}
    try:
        return {tag: one.digest for tag, one in signed(store, Anchor(), datetime.datetime.now(datetime.UTC)).items()}
    except Unsigned:
        return {}
