"""The plan: what there is to build, why, and what a change touches."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imagemill.cli.shared import (
    catalog_of,
    checkout,
    images_argument,
    images_named,
    set_option,
    snapshot_of,
    workshop_of,
)

if TYPE_CHECKING:
    from imagemill.changes import Changes


@click.command()
@images_argument
@set_option
@click.option("--format", "form", type=click.Choice(["table", "json", "matrix"]), default="table", show_default=True)
@click.option("--explain", is_flag=True, help="Which steps make these images, and why they would be built now.")
@click.option(
    "--engine", type=click.Choice(["embedded", "docker", "buildah"]), default="embedded", show_default=True,
    help="Who would execute the Dockerfiles (--explain).",
)  # fmt: skip
@click.option("--changed-since", "revision", metavar="REV", help="Only what differs from the plan of a git revision.")
@click.option(
    "--unreleased", is_flag=True, help="Only what would be made from other inputs than what was released last."
)
@click.option(
    "--releases", type=click.Path(path_type=Path, file_okay=False), help="Where records are; default: releases."
)
@click.option(
    "--shards", type=click.IntRange(min=1), metavar="N",
    help="With --format matrix: at most N shares a platform, as `build --shard` takes them.",
)  # fmt: skip
@click.option("--dist", type=click.Path(path_type=Path, file_okay=False), help="Where artifacts are; default: dist.")
@click.pass_obj
def plan(
    root: Path | None,
    images: Sequence[str],
    which: str,
    form: str,
    explain: bool,
    revision: str | None,
    unreleased: bool,
    releases: Path | None,
    shards: int | None,
    engine: str,
    dist: Path | None,
) -> None:
    """Print the images that the manifests describe."""
    from imagemill import show

    if shards is not None and form != "matrix":
        raise click.UsageError("--shards goes with --format matrix")
    top = checkout(root)
    if explain:
        if form == "matrix":
            raise click.UsageError("--explain has no matrix")
        if revision is not None:
            raise click.UsageError("give either --explain or --changed-since")
        _explain(top, images_named(catalog_of(top), images, which), engine, dist, form)
        return
    snapshot = snapshot_of(top)
    if images:
        names = {image.name for image in images_named(catalog_of(top), images, which)}
        rows = [row for row in snapshot.rows if row["name"] in names]
    else:
        rows = snapshot.of(which, datetime.datetime.now(datetime.UTC).date())
    if unreleased:
        rows = _unreleased(rows, releases or top / "releases")
    if revision is not None:
        from imagemill import changes

        planned = {row["name"] for row in snapshot.rows}
        _changed(changes.since(top, revision, rows, planned=planned, environ=os.environ), revision, len(rows), form)
    elif form == "json":
        click.echo(json.dumps(rows, indent=1))
    elif form == "matrix":
        click.echo(json.dumps(show.shards(rows, shards) if shards else show.matrix(rows)))
    else:
        show.table(rows, () if unreleased else snapshot.unavailable)


def _unreleased(rows: Sequence[Mapping[str, Any]], releases: Path) -> list[Mapping[str, Any]]:
    from imagemill.publish import record

    records = record.earlier(releases)
    last = {name: one.input_hash for release in reversed(records) for name, one in release.images.items()}
    found = [row for row in rows if last.get(row["name"]) != row["input_hash"]]
    click.echo(f"{len(found)} of {len(rows)} images are not what was released last", err=True)
    return found


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


def _changed(found: Changes, revision: str, count: int, form: str) -> None:
    from imagemill import show

    if form == "json":
        data = {"since": revision, "commit": found.commit, "changed": found.changed, "removed": found.removed}
        click.echo(json.dumps(data, indent=1))
    elif form == "matrix":
        click.echo(json.dumps(show.matrix(found.changed)))
    else:
        if found.changed:
            show.table(found.changed, ())
        for name in found.removed:
            click.echo(f"removed: {name}")
    click.echo(f"{len(found.changed)} of {count} images changed since {revision}", err=True)
