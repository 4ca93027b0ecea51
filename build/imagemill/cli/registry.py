"""The command about what a registry keeps: removing what nothing leads to."""

from __future__ import annotations

import datetime
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagemill.cli.shared import checkout

if TYPE_CHECKING:
    from imagemill.publish.settings import Destination, Settings


@click.command("clean-registry")
@click.argument("repositories", nargs=-1, required=True, metavar="REGISTRY/REPOSITORY...")
@click.option(
    "--keep-days", type=click.FloatRange(min=0), default=14.0, show_default=True, help="Keep what was pushed since."
)
@click.option("--yes", is_flag=True, help="Remove it; without this it is only listed.")
@click.pass_obj
def clean_registry(root: Path | None, repositories: Sequence[str], keep_days: float, yes: bool) -> None:
    """List what nothing leads to in repositories of Amazon ECR, and with --yes remove it.

    What has a tag stays, what its index names, and what signs or describes it. Prints a line for each manifest:
    repository@digest, size, and when it was pushed. Other registries do not tell what they have without a tag.
    """
    from imagemill.mirrors import Mirrors
    from imagemill.publish import aws, ecr, leftovers, settings
    from imagemill.registry.repository import Repository
    from imagemill.web import Web

    known = settings.read(checkout(root))
    wanted = [_destination(known, name) for name in dict.fromkeys(repositories)]
    registries = ecr.Registries(wanted, aws.clients(), lambda line: click.echo(line, err=True))
    places = [registries.place(one) for one in wanted]
    web, before = Web(Mirrors.discover(os.environ)), time.time() - keep_days * 86400
    failures, size, count = [], 0, 0
    for one, (client, words) in zip(wanted, places, strict=True):
        repository = Repository(web, one.to, lambda host=one.host: registries.login(host))  # type: ignore[misc]
        found = leftovers.useless(leftovers.stored(client, words, repository.manifest), before)
        for row in found:
            pushed = datetime.datetime.fromtimestamp(row.pushed, datetime.UTC)
            click.echo(f"{one.to}@{row.digest}\t{row.size}\t{pushed:%Y-%m-%dT%H:%M:%SZ}")
        if yes:
            failures += leftovers.remove(client, words, found)
        size, count = size + sum(row.size for row in found), count + len(found)
    done = "removed" if yes else "would go; --yes removes them"
    click.echo(f"{count} manifests, {size / 1e9:.2f} GB: {done}", err=True)
    for line in failures:
        click.echo(f"not removed: {line}", err=True)
    sys.exit(1 if failures else 0)


def _destination(known: Settings, name: str) -> Destination:
    """A repository with what publish.yaml says of its registry, for an alias's too."""
    import msgspec

    from imagemill.publish import settings

    (found,) = settings.destinations(known, (name,))
    same = [one.ecr for one in known.destinations if one.host == found.host and one.ecr]
    return msgspec.structs.replace(found, ecr=found.ecr or (same[0] if same else None))
