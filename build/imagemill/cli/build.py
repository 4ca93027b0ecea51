"""The command that makes images."""

from __future__ import annotations

import datetime
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from imagemill.snapshot import Snapshot


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
@click.option("--shard", default="", metavar="I/N", help="Only the I-th of N shares of the images; see `merge`.")
@click.option("--verify", is_flag=True, help="Read every byte of what is there, and make again what is damaged.")
@click.option(
    "--jobs", "-j", type=click.IntRange(min=0), default=0, envvar="IMAGEMILL_JOBS", show_envvar=True,
    help="Layers made at once; default: as many as cores and memory allow.",
)  # fmt: skip
@click.option("--fail-fast", is_flag=True, help="Start nothing more after a failure.")
@click.option("--no-wait", is_flag=True, help="Do not wait for another run that works in the same dist (exit code 41).")
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
    shard: str,
    verify: bool,
    jobs: int,
    fail_fast: bool,
    no_wait: bool,
    no_load: bool,
) -> None:
    """Build images into dist, making only what changed. Prints name@digest, a line an image.

    What fails stops nothing that does not depend on it. dist/logs has a log for each image.
    """
    from imagemill import show
    from imagemill.assemble.compression import GZIP, parse

    packed = parse(compression)
    top = checkout(root)
    snapshot = None if images else snapshot_of(top, engine)  # a few images are looked at sooner without it
    easy = no_load and not (shard or verify) and packed == GZIP
    if snapshot is not None and easy and _nothing_to_do(snapshot, top, dist, which, engine, platforms):
        return
    from imagemill.engine import containers
    from imagemill.factory import BuildFailed
    from imagemill.progress import progress
    from imagemill.shard import Shard

    catalog = catalog_of(top)
    with stoppable(), progress() as said:
        workshop = workshop_of(top, dist, said)
        chosen = images_named(catalog, images, which)
        started = time.monotonic()
        failed = None
        try:
            results = workshop.build(
                catalog,
                chosen,
                engine=engine,
                platforms=platform_names(platforms),
                locked=locked,
                compression=packed,
                revision=revision,
                shard=Shard.parse(shard) if shard else None,
                verify=verify,
                jobs=jobs,
                fail_fast=fail_fast,
                wait=not no_wait,
                hashes=snapshot.hashes if snapshot is not None else None,
            )
        except BuildFailed as error:
            failed, results = error, list(error.results)
        runner = containers.find(os.environ)
        if runner is not None and not no_load:
            workshop.load(runner, [result.artifact for result in results])
    for result in results:
        click.echo(f"{result.artifact.tags[-1]}@{result.artifact.digest}")
    there = {result.artifact.name for result in results}
    examples = top / "examples"  # some of them must be compiled first
    show.built(
        results,
        [image for image in chosen if image.name in there and (examples / image.runtime.example.directory).is_dir()],
        workshop.dist.path,
        runner.name if runner else "",
        time.monotonic() - started,
    )
    if failed is not None:
        raise failed


def _nothing_to_do(
    snapshot: Snapshot, top: Path, dist: Path | None, which: str, engine: str, platforms: Sequence[str]
) -> bool:
    """Whether everything is there, which is then printed as a build would."""
    from imagemill import noop, show
    from imagemill.dist import Dist

    if (state_of(top) / "refreshed").is_dir():
        return False  # an aged lock changes hashes in ways that only a build looks into
    place = Dist((dist or top / "dist").absolute())
    rows = snapshot.of(which, datetime.datetime.now(datetime.UTC).date())
    kept = noop.unchanged(rows, place, engine=engine, platforms=platform_names(platforms))
    for one in kept or ():
        click.echo(f"{one.artifact.tags[-1]}@{one.artifact.digest}")
    if kept:
        show.built(kept, (), place.path, "")
    return bool(kept)


class _Stopped(BaseException):
    """SIGINT or SIGTERM. No Exception, so that only what cleans up sees it."""

    def __init__(self, number: int) -> None:
        self.number = number


@contextmanager
def stoppable() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM leave the block in good order, and the program with the exit code of shells."""

    def stop(number: int, _: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)  # a second one would cut short what the first began
        raise _Stopped(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, stop)
        yield
    except _Stopped as stopped:
        name = signal.Signals(stopped.number).name
        click.echo(f"stopped by {name}; what is finished stays, the next run makes the rest", err=True)
        sys.exit(128 + stopped.number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
