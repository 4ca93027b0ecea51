"""Commands that hand what was built to others: to builders elsewhere, and to whoever takes an image as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from imagemill.cli.shared import (
    catalog_of,
    checkout,
    images_argument,
    images_named,
    platform_names,
    platforms_option,
    set_option,
    workshop_of,
)


@click.command()
@images_argument
@set_option
@platforms_option
@click.option(
    "--out", "-o", required=True, type=click.Path(path_type=Path, file_okay=False),
    help="docker-bake.json and a context for each target go here.",
)  # fmt: skip
@click.option("--repository", default="imagemill/lambda", show_default=True, help="What tags are put behind.")
@click.option("--cache", default="", metavar="REPOSITORY", help="Builders share what they made in this registry.")
@click.option("--sbom", metavar="GENERATOR", help="Attest contents: the image of a scanner, or `true` for BuildKit's.")
@click.option("--provenance", type=click.Choice(["min", "max"]), help="Attest how images were built.")
@click.pass_obj
def bake(
    root: Path | None,
    images: Sequence[str],
    which: str,
    platforms: Sequence[str],
    out: Path,
    repository: str,
    cache: str,
    sbom: str | None,
    provenance: str | None,
) -> None:
    """Write what `docker buildx bake` needs to build the images on any builder. Run it in that folder.

    The images must have been built before: their layers are what builders put together.
    """
    from imagemill.bake import write
    from imagemill.contexts import ready

    attestations = []
    if sbom:
        attestations.append("type=sbom" if sbom == "true" else f"type=sbom,generator={sbom}")
    if provenance:
        attestations.append(f"type=provenance,mode={provenance}")
    top = checkout(root)
    chosen = images_named(catalog_of(top), images, which)
    found = ready(workshop_of(top), chosen, platform_names(platforms))
    click.echo(write(found, out, repository=repository, cache=cache, attestations=attestations))
