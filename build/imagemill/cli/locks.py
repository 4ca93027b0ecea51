"""The command about locks: what they lack, what is newer than they are, and making them again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagemill.cli.shared import catalog_of, checkout, report_drift, workshop_of

if TYPE_CHECKING:
    from imagemill.load import Catalog


@click.command()
@click.argument("bases", nargs=-1, metavar="[BASE]...")
@click.option("--update", is_flag=True, help="Resolve everything again, write runtimes/lock and print what changed.")
@click.option("--check", is_flag=True, help="Say what is out of date; exit 1 only if the lock lacks something.")
@click.option("--offline", is_flag=True, help="With --check: only what the lock lacks; no network.")
@click.option("--security", is_flag=True, help="With --check: only security updates; exit 1 if one is missing.")
@click.pass_obj
def lock(root: Path | None, bases: Sequence[str], update: bool, check: bool, offline: bool, security: bool) -> None:
    """Pin what images are made of: versions, places in pools and hashes, never a mirror's host.

    BASE limits it to the locks of these bases, as in `lock --update debian-trixie`.
    """
    from imagemill import relock

    if update == check:
        raise click.UsageError("give either --update or --check")
    if (offline or security) and not check:
        raise click.UsageError("--offline and --security go with --check")
    if offline and security:
        raise click.UsageError("what is newer cannot be seen offline; give either --offline or --security")
    top = checkout(root)
    catalog = relock.only(catalog_of(top), bases)
    if check:
        report_drift(relock.uncovered(top, catalog), True, "imagemill lock --update")
        if not offline:
            _newer(top, catalog, security)
    else:
        _update(top, catalog)


def _newer(top: Path, catalog: Catalog, security: bool) -> None:
    from imagemill import relock, show
    from imagemill.progress import progress

    with progress() as said:
        rows = relock.outdated(workshop_of(top, progress=said), catalog, only_security=security)
    urgent = sum(row.kind == "security" for row in rows)
    if rows:
        head = ("KIND", "PACKAGE", "LOCKED", "NEW", "ARCHITECTURES", "SETS")
        body = [(r.kind, r.name, r.locked, r.new, ",".join(r.arches), ",".join(r.sets)) for r in rows]
        show.columns([head, *body])
        others = "" if security else f", {len(rows) - urgent} other newer versions"
        click.echo(f"{urgent} security updates{others}", err=True)
        click.echo("run `imagemill lock --update` and commit what it writes", err=True)
    else:
        click.echo("nothing is newer than the lock", err=True)
    if security and urgent:
        sys.exit(1)


def _update(top: Path, catalog: Catalog) -> None:
    from imagemill import relock
    from imagemill.progress import progress

    with progress() as said:
        changes = relock.update(workshop_of(top, progress=said), catalog)
    for base, lines in changes.items():
        click.echo(f"{base}: {len(lines) or 'nothing'} changed")
        for line in lines:
            click.echo(f"  {line}")
