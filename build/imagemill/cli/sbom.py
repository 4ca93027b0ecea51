"""The command that writes what an image is made of."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from imagemill.cli.references import layout_of, planned
from imagemill.cli.shared import checkout, platform_names


@click.command()
@click.argument("ref", metavar="REF")
@click.option("--platform", default="", help="Of which platform; default: this machine's, or the only one there is.")
@click.option(
    "--format", "form", type=click.Choice(["spdx", "cyclonedx"]), default="spdx", show_default=True,
    help="SPDX 2.3 or CycloneDX 1.6, both as JSON.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: standard output.")
@click.option("--dist", type=click.Path(path_type=Path, file_okay=False), help="Where artifacts are; default: dist.")
@click.pass_obj
def sbom(root: Path | None, ref: str, platform: str, form: str, out: Path | None, dist: Path | None) -> None:
    """Write the software bill of materials of an image: its packages, and where the files of its language are from.

    REF is what `imagemill conform` takes. The image is read, not run; the same image gives the same bytes.
    """
    from imagemill.conform.view import open_layout
    from imagemill.judging import locked
    from imagemill.oci import Layout
    from imagemill.platforms import find, native
    from imagemill.sbom import FORMATS, take
    from imagemill.spool import Layers

    with tempfile.TemporaryDirectory(prefix="imagemill-sbom-") as folder, Layers(Path(folder, "layers")) as layers:
        image = planned(root, ref)
        layout = layout_of(root, dist, ref, Path(folder))
        there = sorted(image.platform for image in Layout(layout).images())
        default = str(native()) if str(native()) in there or not there else there[0]
        wanted = platform_names([platform])[0] if platform else default
        view = open_layout(layout, find(wanted), layers)
        more = locked(checkout(root), image, find(wanted)) if image else ()
        text = FORMATS[form](take(view, ref, wanted, more))
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(out)
