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


@click.command()
@click.argument("image")
@click.option("--out", "-o", required=True, type=click.Path(path_type=Path), help="A file ending in .tar, or a folder.")
@click.option("--platform", default="", help="Only this one, as linux/arm64.")
@click.option(
    "--format", "form", type=click.Choice(["oci", "docker"]), default="oci", show_default=True,
    help="OCI's layout, or the archive that `docker save` of old wrote (one platform, .tar).",
)  # fmt: skip
@click.option("--for-lambda", is_flag=True, help="As AWS Lambda takes it: one platform, Docker's manifest, gzip.")
@click.option("--name", default="", help="What it is called when loaded; default: imagemill/lambda:IMAGE.")
@click.option("--dist", type=click.Path(path_type=Path, file_okay=False), help="Where artifacts are; default: dist.")
@click.pass_obj
def export(
    root: Path | None,
    image: str,
    out: Path,
    platform: str,
    form: str,
    for_lambda: bool,
    name: str,
    dist: Path | None,
) -> None:
    """Write a built image to a file or folder for others. Prints its digest."""
    from imagemill import export as exporting
    from imagemill.platforms import find, native
    from imagemill.workshop import REPOSITORY

    if form == "docker" and out.suffix != ".tar":
        raise click.UsageError("--format docker writes a .tar")
    top = checkout(root)
    workshop = workshop_of(top, dist)
    chosen = images_named(catalog_of(top), [image], "all")
    if len(chosen) > 1:
        raise click.UsageError(f"{image!r} names {len(chosen)} images; name one")
    [planned] = chosen
    alone = for_lambda or form == "docker"
    wanted = find(platform) if platform else native() if alone else None
    source = exporting.built(workshop.dist, planned, wanted)
    names = [name or f"{REPOSITORY}:{planned.tags[-1]}"]
    if for_lambda:
        made = exporting.for_lambda(source, out, names, workshop.paths.recompressed)
    elif form == "docker":
        made = exporting.docker(source, out, names)
    else:
        made = exporting.oci(source, out, names)
    click.echo(made.digest)
