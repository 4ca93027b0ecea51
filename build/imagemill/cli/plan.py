"""The plan: what there is to build, why, and what a change touches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from imagemill.cli.shared import catalog_of, checkout, images_argument, images_named, set_option, workshop_of


@click.command()
@images_argument
@set_option
@click.option("--format", "form", type=click.Choice(["table", "json", "matrix"]), default="table", show_default=True)
@click.option("--explain", is_flag=True, help="Which steps make these images, and why they would be built now.")
@click.option(
    "--engine", type=click.Choice(["embedded", "docker", "buildah"]), default="embedded", show_default=True,
    help="Who would execute the Dockerfiles (--explain).",
)  # fmt: skip
@click.option("--dist", type=click.Path(path_type=Path, file_okay=False), help="Where artifacts are; default: dist.")
@click.pass_obj
def plan(
    root: Path | None,
    images: Sequence[str],
    which: str,
    form: str,
    explain: bool,
    engine: str,
    dist: Path | None,
) -> None:
    """Print the images that the manifests describe."""
    from imagemill import show
    from imagemill.plan import unavailable

    top = checkout(root)
    catalog = catalog_of(top)
    chosen = images_named(catalog, images, which)
    if explain:
        if form == "matrix":
            raise click.UsageError("--explain has no matrix")
        _explain(top, chosen, engine, dist, form)
        return
    rows = show.rows(top, chosen, workshop_of(top).epoch)
    if form == "json":
        click.echo(json.dumps(rows, indent=1))
    elif form == "matrix":
        click.echo(json.dumps(show.matrix(rows)))
    else:
        show.table(rows, unavailable(catalog))


def _explain(top: Path, images: Sequence[Any], engine: str, dist: Path | None, form: str) -> None:
    from imagemill.aging import Aging
    from imagemill.explain import Explainer, text
    from imagemill.layers import LayerStore
    from imagemill.platforms import native
    from imagemill.render import Renderer

    workshop = workshop_of(top, dist)
    aging = Aging(top, workshop.paths.state, locked=False)
    renderer = Renderer(top, engine=engine, epoch=workshop.epoch)
    explainer = Explainer(renderer, LayerStore(workshop.paths.layers), workshop.dist, engine, native())
    rows = [explainer.explain(image, aging.effective(image.base.name)) for image in images]
    click.echo(json.dumps(rows, indent=1) if form == "json" else "\n\n".join(map(text, rows)))
