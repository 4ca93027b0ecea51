"""The command line: parses, calls one function, prints. Results go to stdout, everything else to stderr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from imagemill import __version__
from imagemill.cli import bake, images, locks, manifests
from imagemill.cli import build as building
from imagemill.cli import diff as differing
from imagemill.cli import dist as dists
from imagemill.cli import plan as planning
from imagemill.cli import record as recording
from imagemill.cli import reports as reporting
from imagemill.cli import reproduce as reproducing
from imagemill.errors import ImagemillError


class _Cli(click.Group):
    """A group whose commands end with the exit code of the error they meet, and without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ImagemillError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="The checkout; default: this folder or one above it.",
)
@click.pass_context
def main(ctx: click.Context, root: Path | None) -> None:
    """An image factory: AWS-Lambda-style runtime images from one YAML manifest each."""
    ctx.obj = root


for command in (
    *(manifests.validate, manifests.schema, manifests.render, manifests.readme),
    planning.plan,
    locks.lock,
    reproducing.reproduce,
    *(building.build, dists.merge, dists.prune),
    *(images.context, images.conform, images.run),
    *(reporting.report, differing.diff, recording.record),
    *(bake.bake, bake.export),
):
    main.add_command(command)
