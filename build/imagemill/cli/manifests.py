"""Commands about manifests and what is derived from them without building anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from imagemill.cli.shared import (
    catalog_of,
    checkout,
    images_argument,
    images_named,
    report_drift,
    snapshot_of,
)


@click.command()
@click.pass_obj
def validate(root: Path | None) -> None:
    """Check every manifest; all mistakes at once."""
    catalog = catalog_of(checkout(root))
    click.echo(f"{len(catalog.runtimes)} runtimes on {len(catalog.bases)} bases: valid", err=True)


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if a file is not up to date.")
@click.pass_obj
def schema(root: Path | None, check: bool) -> None:
    """Write the JSON Schemas of the manifests."""
    from imagemill import schema as schemas

    top = checkout(root)
    drift = schemas.drift(top)
    report_drift(drift, check, "imagemill schema")
    if not check:
        schemas.write(top)


@click.command()
@images_argument
@click.option("--check", is_flag=True, help="Change nothing; exit 1 on a missing, stale or untracked file.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Another folder than tests/golden.")
@click.pass_obj
def render(root: Path | None, images: Sequence[str], check: bool, out: Path | None) -> None:
    """Write the Dockerfiles, and what their layers are made of, to tests/golden."""
    top = checkout(root)
    if check and not images:
        from imagemill import snapshot

        expected_files = snapshot_of(top).golden
        report_drift(snapshot.drift(out or top / "tests" / "golden", expected_files), True, "imagemill render")
        return
    from imagemill import render as rendering

    renderer = rendering.Renderer(top)
    chosen = images_named(catalog_of(top), images, "all")
    expected = rendering.golden([renderer.render(image) for image in chosen])
    folder = out or top / "tests" / "golden"
    if check:
        report_drift(rendering.check(folder, expected), True, "imagemill render")
    elif images:
        for name, content in expected.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    else:
        report_drift(rendering.write(folder, expected), False, "")


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if the table is not up to date.")
@click.pass_obj
def readme(root: Path | None, check: bool) -> None:
    """Write the table of tags in README.md from the manifests."""
    from imagemill import show

    top = checkout(root)
    path = top / "README.md"
    text = path.read_text(encoding="utf-8")
    wanted = show.with_tags(text, catalog_of(top))
    report_drift(["stale: README.md"] if text != wanted else [], check, "imagemill readme")
    if not check:
        path.write_text(wanted, encoding="utf-8")
