"""What changed from one image to another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagemill.cli.references import layout_of
from imagemill.cli.shared import platform_names

if TYPE_CHECKING:
    from imagemill.diff import Opened
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
    from imagemill.oci import Layout
    from imagemill.platforms import native

    layout = layout_of(root, dist, ref, scratch)
    there = {image.platform for image in Layout(layout).images()}
    chosen = platform or (str(native()) if str(native()) in there else "")
    return open_layout(layout, layers, platform=chosen, name=ref)
