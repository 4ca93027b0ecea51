"""Building again and comparing."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from imagemill.cli.shared import catalog_of, checkout, images_named, workshop_of


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="TAG...")
@click.option("--digest", default="", metavar="sha256:…", help="Compare with this published digest, not with dist.")
@click.option("--dist", type=click.Path(path_type=Path, file_okay=False), help="Where artifacts are; default: dist.")
@click.pass_obj
def reproduce(root: Path | None, images: Sequence[str], digest: str, dist: Path | None) -> None:
    """Build images again, from nothing but verified downloads, and compare. Exit code 1 when they are not the same."""
    import tempfile

    from imagemill import reproduce as again

    top = checkout(root)
    chosen = images_named(catalog_of(top), images, "all")
    if digest and len(chosen) != 1:
        raise click.UsageError("--digest is that of one image")
    workshop = workshop_of(top, dist)
    with tempfile.TemporaryDirectory(prefix="imagemill reproduce ") as folder:
        builder = again.elsewhere(workshop.paths, os.environ)
        outcomes = again.reproduce(chosen, workshop.dist, builder, Path(folder), digest)
    for outcome in outcomes:
        click.echo(f"{outcome.name}@{outcome.got} {'reproduced' if outcome.same else f'differs from {outcome.wanted}'}")
        for platform, differences in outcome.differences.items():
            for difference in differences:
                click.echo(f"  {platform}: {difference}")
        if not outcome.same_inputs:
            click.echo(f"{outcome.name}: dist has it from other inputs; see imagemill plan --explain", err=True)
        elif not outcome.same and not outcome.differences:
            click.echo(f"{outcome.name}: that image is not in dist, so its files cannot be compared", err=True)
    sys.exit(0 if all(outcome.same for outcome in outcomes) else 1)
