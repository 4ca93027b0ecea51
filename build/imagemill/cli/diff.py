"""What changed from one image to another."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagemill.cli.shared import catalog_of, checkout, platform_names, workshop_of

if TYPE_CHECKING:
    from imagemill.diff import Opened
    from imagemill.plan import Image
    from imagemill.spool import Layers


@click.command()
@click.argument("one", metavar="REF")
@click.argument("other", metavar="REF")
@click.option("--platform", default="", help="Of which platform; default: this machine's, or the only one there is.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True,
    help="How to say it, on stdout.",
)  # fmt: skip
@click.option("--exit-code", is_flag=True, help="Exit code 1 when they differ.")
@click.option("--dist", type=click.Path(path_type=Path, file_okay=False), help="Where artifacts are; default: dist.")
@click.pass_obj
def diff(root: Path | None, one: str, other: str, platform: str, form: str, exit_code: bool, dist: Path | None) -> None:
    """Tell what changed from one image to another: environment, configuration, packages, tools, files, sizes.

    REF is a built image (python3.13), a folder with an OCI layout, an archive (what `imagemill export`, `docker save`
    or `podman save` wrote), a name in the local engine, or one in a registry (in any case with docker:// in front).
    Times of files are not compared.
    """
    import tempfile

    from imagemill.diff import diff as differ
    from imagemill.diff.told import FORMATS
    from imagemill.spool import Layers

    wanted = platform_names([platform])[0] if platform else ""
    with tempfile.TemporaryDirectory(prefix="imagemill-diff-") as folder, Layers(Path(folder, "layers")) as layers:
        images = [_opened(root, dist, ref, wanted, layers, Path(folder)) for ref in (one, other)]
        found = differ(*images)
    click.echo(FORMATS[form](found), nl=False)
    sys.exit(int(exit_code and not found.same))


def _opened(root: Path | None, dist: Path | None, ref: str, platform: str, layers: Layers, scratch: Path) -> Opened:
    from imagemill.diff import open_layout
    from imagemill.errors import SelectionError
    from imagemill.export import built
    from imagemill.oci import Layout
    from imagemill.platforms import native

    images = [] if Path(ref).exists() else _planned(root, ref)
    if len(images) > 1:
        raise SelectionError(f"{ref} is {len(images)} images", "name one")
    layout = built(workshop_of(checkout(root), dist).dist, images[0], None) if images else _elsewhere(ref, scratch)
    there = {image.platform for image in Layout(layout).images()}
    chosen = platform or (str(native()) if str(native()) in there else "")
    return open_layout(layout, layers, platform=chosen, name=ref)


def _planned(root: Path | None, ref: str) -> list[Image]:
    """The planned images that `ref` means; none where it means none, or where there is no checkout."""
    from imagemill.errors import CheckoutError, SelectionError
    from imagemill.plan import plan, select

    try:
        return select(plan(catalog_of(checkout(root))), [ref])
    except (CheckoutError, SelectionError):
        return []


def _elsewhere(ref: str, scratch: Path) -> Path:
    from imagemill.cache import Cache
    from imagemill.engine import containers
    from imagemill.mirrors import Mirrors
    from imagemill.references import open_reference, places
    from imagemill.web import Web

    engine = containers.find(os.environ)
    web, save = Web(Mirrors.discover(os.environ)), engine.save if engine else None
    return open_reference(ref, places(os.environ, scratch, Cache(scratch / "cache"), web, save, lambda _: None))
