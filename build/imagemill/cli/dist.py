"""Commands about what was built: joining the outputs of several machines, and removing what is of no use."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from imagemill.cli.build import stoppable
from imagemill.cli.shared import catalog_of, checkout, workshop_of

_DIST = click.Path(path_type=Path, file_okay=False)
_THERE = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command()
@click.argument("dists", nargs=-1, required=True, type=_THERE, metavar="DIST...")
@click.option("--into", required=True, type=_DIST, help="The dist directory that gets whole images.")
@click.pass_obj
def merge(root: Path | None, dists: Sequence[Path], into: Path) -> None:
    """Join the dist directories of shards and platforms built apart. Prints name@digest, a line an image."""
    from imagemill import merge as merging
    from imagemill.dist import Dist
    from imagemill.occupancy import occupied
    from imagemill.plan import plan
    from imagemill.room import room

    target = Dist(into.absolute())
    planned = plan(catalog_of(checkout(root)))
    with stoppable(), room(target.path), occupied(target.path, lambda line: click.echo(line, err=True)):
        target.sweep()
        artifacts = merging.merge([Dist(path.absolute()) for path in dists], target, planned)
    for artifact in artifacts:
        click.echo(f"{artifact.tags[-1]}@{artifact.digest}")


@click.command()
@click.option("--dry-run", "-n", is_flag=True, help="Only list what would go.")
@click.option(
    "--keep-days", type=click.FloatRange(min=0), default=7.0, show_default=True,
    help="Keep layers and downloads that are younger, though nothing names them.",
)  # fmt: skip
@click.option("--dist", type=_DIST, help="Where artifacts are; default: dist.")
@click.pass_obj
def prune(root: Path | None, dry_run: bool, keep_days: float, dist: Path | None) -> None:
    """Remove what no manifest and no lock of this checkout needs: images, layers, downloads, what dead runs left.

    Prints a line for each, with what it frees: the name of a file with other names frees nothing.
    """
    from imagemill import prune as pruning

    top = checkout(root)
    workshop = workshop_of(top, dist)
    with stoppable(), pruning.alone(workshop, lambda line: click.echo(line, err=True)):
        found = pruning.useless(workshop, catalog_of(top), time.time() - keep_days * 86400)
        for one in found:
            click.echo(f"{one.freed / 1e6:10.1f} MB  {one.paths[0]}  ({one.why})")
        if not dry_run:
            pruning.remove(workshop, found)
    freed = sum(one.freed for one in found) / 1e9
    verb = "would free" if dry_run else "freed"
    things = "1 thing" if len(found) == 1 else f"{len(found)} things"
    click.echo(f"{verb} {freed:.2f} GB: {things}", err=True)
