"""The command that writes release notes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagemill.cli.shared import catalog_of, checkout, images_argument, images_named, set_option, workshop_of

if TYPE_CHECKING:
    from imagemill.web import Web


@click.command()
@images_argument
@set_option
@click.option(
    "--date", default="", metavar="YYYYMMDD[.N]",
    help="Of which release; it is compared with those before. Default: of one that is to come.",
)  # fmt: skip
@click.option(
    "--since", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="RECORD",
    help="Compare with this record alone; default: for each image the newest record in --releases that has it.",
)  # fmt: skip
@click.option(
    "--releases", type=click.Path(path_type=Path, file_okay=False), help="Where records are; default: releases."
)
@click.option("--dist", type=click.Path(path_type=Path, file_okay=False), help="Where artifacts are; default: dist.")
@click.pass_obj
def notes(
    root: Path | None,
    images: Sequence[str],
    which: str,
    date: str,
    since: Path | None,
    releases: Path | None,
    dist: Path | None,
) -> None:
    """Write release notes in Markdown: what changed in each image since it was released before.

    What was released is pulled by its digest; nothing is pulled of images that are the same.
    """
    from imagemill.errors import PublishError
    from imagemill.plan import plan
    from imagemill.publish import noted, record
    from imagemill.publish import notes as noting
    from imagemill.publish.names import check_date

    top = checkout(root)
    catalog, workshop = catalog_of(top), workshop_of(top, dist)
    chosen = images_named(catalog, images, which)
    there = workshop.dist.read()
    missing = [image.tags[-1] for image in chosen if image.name not in there]
    if missing:
        raise PublishError(f"not built: {', '.join(missing)}", "build them, or name those that the notes are about")
    folder = releases or top / "releases"
    records = [record.read(since)] if since else record.earlier(folder, check_date(date) if date else "")

    def say(line: str) -> None:
        click.echo(line, err=True)

    from imagemill.web import Web

    found = noting.notes(
        date or "The next release",
        [there[image.name] for image in chosen],
        [image.name for image in plan(catalog)],
        workshop.dist,
        records,
        _pull(Web(workshop.mirrors), say),
        say,
    )
    click.echo(noted.to_markdown(found), nl=False)


def _pull(web: Web, say: Callable[[str], None]) -> Callable[[str, Path, Path], Path]:
    def pull(reference: str, folder: Path, here: Path) -> Path:
        """Blobs that a layout has are not downloaded again: images of one runtime change in few layers."""
        from imagemill.cache import Cache
        from imagemill.references import open_reference, places

        cache = Cache(folder / "cache")
        for blob in (here / "blobs" / "sha256").iterdir():
            link = cache.path(blob.name)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)
        where = places(os.environ, folder, cache, web, None, say)
        return open_reference(f"docker://{reference}", where)

    return pull
