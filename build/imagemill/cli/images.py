"""Commands that make images, judge them and run them."""

from __future__ import annotations

import datetime
import os
import sys
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
    snapshot_of,
    state_of,
    workshop_of,
)


@click.command()
@images_argument
@set_option
@platforms_option
@click.option(
    "--engine", type=click.Choice(["embedded", "docker", "buildah"]), default="embedded", show_default=True,
    help="Who executes the Dockerfiles.",
)  # fmt: skip
@click.option(
    "--compression", default="gzip", show_default=True, metavar="gzip|zstd[:LEVEL]",
    help="How layers are compressed: gzip is quick to make, zstd small to pull.",
)  # fmt: skip
@click.option("--revision", default="", help="What git calls this checkout; noted beside the images, not in them.")
@click.option("--dist", type=click.Path(path_type=Path, file_okay=False), help="Where artifacts go; default: dist.")
@click.option("--locked", is_flag=True, help="A package that the archive no longer has is an error (exit code 15).")
@click.option("--no-load", is_flag=True, help="Do not load the images into the local docker or podman.")
@click.pass_obj
def build(
    root: Path | None,
    images: Sequence[str],
    which: str,
    platforms: Sequence[str],
    engine: str,
    compression: str,
    revision: str,
    dist: Path | None,
    locked: bool,
    no_load: bool,
) -> None:
    """Build images into dist, making only what changed. Prints name@digest, a line an image."""
    from imagemill import show
    from imagemill.assemble.compression import GZIP, parse

    packed = parse(compression)
    top = checkout(root)
    easy = no_load and not images and packed == GZIP
    if easy and _nothing_to_do(top, dist, which, engine, platforms):
        return
    from imagemill.engine import containers
    from imagemill.progress import progress

    catalog = catalog_of(top)
    with progress() as said:
        workshop = workshop_of(top, dist, said)
        chosen = images_named(catalog, images, which)
        results = workshop.build(
            catalog,
            chosen,
            engine=engine,
            platforms=platform_names(platforms),
            locked=locked,
            compression=packed,
            revision=revision,
        )
        runner = containers.find(os.environ)
        if runner is not None and not no_load:
            workshop.load(runner, [result.artifact for result in results])
    for result in results:
        click.echo(f"{result.artifact.tags[-1]}@{result.artifact.digest}")
    show.built(results, chosen, workshop.dist.path, runner.name if runner else "")


def _nothing_to_do(top: Path, dist: Path | None, which: str, engine: str, platforms: Sequence[str]) -> bool:
    """Whether everything is there, which is then printed as a build would."""
    from imagemill import noop, show
    from imagemill.dist import Dist

    if (state_of(top) / "refreshed").is_dir():
        return False  # an aged lock changes hashes in ways that only a build looks into
    place = Dist((dist or top / "dist").absolute())
    rows = snapshot_of(top, engine).of(which, datetime.datetime.now(datetime.UTC).date())
    kept = noop.unchanged(rows, place, engine=engine, platforms=platform_names(platforms))
    for one in kept or ():
        click.echo(f"{one.artifact.tags[-1]}@{one.artifact.digest}")
    if kept:
        show.built(kept, (), place.path, "")
    return bool(kept)


@click.command()
@images_argument
@set_option
@platforms_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="One folder an image goes here.",
)
@click.pass_obj
def context(root: Path | None, images: Sequence[str], which: str, platforms: Sequence[str], out: Path) -> None:
    """Write whole build contexts, layer archives and all, for `docker build` or `buildah build`.

    The images must have been built before: their layers are what is written.
    """
    from imagemill.contexts import export

    top = checkout(root)
    catalog = catalog_of(top)
    for folder in export(workshop_of(top), images_named(catalog, images, which), out, platform_names(platforms)):
        click.echo(folder)


@click.command()
@images_argument
@set_option
@platforms_option
@click.option("--no-run", is_flag=True, help="Only what needs no container.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report here.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML here.")
@click.option("--dist", type=click.Path(path_type=Path, file_okay=False), help="Where artifacts are; default: dist.")
@click.pass_obj
def conform(
    root: Path | None,
    images: Sequence[str],
    which: str,
    platforms: Sequence[str],
    no_run: bool,
    json_file: Path | None,
    junit: Path | None,
    dist: Path | None,
) -> None:
    """Judge built images against manifests and facts. Exit code 1 on a finding, or when nothing was checked."""
    from imagemill import judging, report
    from imagemill.engine import containers
    from imagemill.progress import progress

    top = checkout(root)
    catalog = catalog_of(top)
    with progress() as said:
        runner = None if no_run else containers.find(os.environ)
        found = judging.examine(
            workshop_of(top, dist, said), images_named(catalog, images, which), platform_names(platforms), runner
        )
    if json_file:
        report.write_json(found, json_file)
    if junit:
        report.write_junit(found, junit)
    report.print_table(found)
    sys.exit(report.exit_code(found))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("tag")
@click.argument("args", nargs=-1, type=click.UNPROCESSED, metavar="[HANDLER] [EVENT]")
@click.option(
    "--task-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Your code, for /var/task.",
)
@click.option("--layer-dir", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Layers, for /opt.")
@click.option("-e", "--env", "env", multiple=True, metavar="NAME=VALUE", help="Environment; NAME alone passes it on.")
@click.option("-p", "--publish", multiple=True, metavar="PORT", help="Ports, as in docker run: 9001:9001.")
@click.option("--platform", default="", help="As linux/arm64; default: this machine's.")
@click.option("--network", default="", help="As in docker run.")
@click.option("--rw", is_flag=True, help="Mount --task-dir writable, as builds need it.")
@click.pass_obj
def run(
    root: Path | None,
    tag: str,
    args: Sequence[str],
    task_dir: Path | None,
    layer_dir: Path | None,
    env: Sequence[str],
    publish: Sequence[str],
    platform: str,
    network: str,
    rw: bool,
) -> None:
    """Run a built image with docker or podman, whichever is here.

    The function's result is the last line of stdout, its log is on stderr.
    """
    from imagemill import running

    top = checkout(root)
    command = running.command(
        workshop_of(top),
        images_named(catalog_of(top), [tag], "all"),
        args,
        mounts=running.mounts(task_dir, layer_dir, writable=rw),
        env=env,
        publish=publish,
        platform=platform,
        network=network,
        terminal=sys.stdin.isatty() and sys.stdout.isatty(),
    )
    sys.stdout.flush()
    os.execvpe(command.argv[0], command.argv, dict(command.environ))  # noqa: S606 - no shell between us and it
