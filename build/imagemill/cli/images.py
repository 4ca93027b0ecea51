"""Commands that judge images, run them, and write what they are made of."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import structs

from imagemill.cli.reports import Wanted, report_option, write
from imagemill.cli.shared import (
    catalog_of,
    checkout,
    images_argument,
    images_named,
    platform_names,
    platforms_option,
    set_option,
    state_of,
    workshop_of,
)
from imagemill.paths import PARSED

if TYPE_CHECKING:
    from imagemill.engine.containers import Runner
    from imagemill.recorder import Real
    from imagemill.sbom.bill import Bill
    from imagemill.verdicts import Verdicts


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
@click.option(
    "--as", "chosen", default="", metavar="RUNTIME/VARIANT",
    help="What to hold images against that were not made here, as python3.13/serve; guessed when left out.",
)  # fmt: skip
@click.option(
    "--against", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FACTS.JSON",
    help="Hold images against this record of a real environment too; see `imagemill record`.",
)  # fmt: skip
@click.option(
    "--sbom", "boms", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="SBOM.JSON", multiple=True,
    help="Hold images against this bill of materials too, SPDX or CycloneDX, of whatever tool; may be repeated.",
)  # fmt: skip
@click.option("--no-run", is_flag=True, help="Only what needs no container.")
@click.option("--no-cache", is_flag=True, help="Judge again what was judged today and has not changed since.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many images at once; default: as this machine allows.")
@report_option
@click.option("--dist", type=click.Path(path_type=Path, file_okay=False), help="Where artifacts are; default: dist.")
@click.pass_obj
def conform(
    root: Path | None,
    images: Sequence[str],
    which: str,
    platforms: Sequence[str],
    chosen: str,
    against: Path | None,
    boms: Sequence[Path],
    no_run: bool,
    no_cache: bool,
    jobs: int | None,
    wanted: Sequence[Wanted],
    dist: Path | None,
) -> None:
    """Judge images against manifests and facts. Exit code 1 on a finding, or when nothing was checked.

    An IMAGE is a planned one that was built, a folder with an OCI layout, a file that docker save or podman save
    wrote, a name in the local engine, or one in a registry (in any case with docker:// in front).

    A built image that passed is not judged again on the same day, unless it, its manifest, or imagemill changes.
    A table goes to stderr. What the tests of the images have left in dist of how functions behave in these very images
    (behaviours.json) becomes part of the report.
    """
    gc.disable()  # of a hundred thousand entries of layers none is garbage, and looking takes as long as the checks
    from imagemill import judging, limits, reports
    from imagemill.builder import source_date_epoch
    from imagemill.cli.references import appraised, parted
    from imagemill.conform import facts
    from imagemill.dist import Dist
    from imagemill.paths import Paths
    from imagemill.progress import progress

    top = checkout(root)
    catalog = catalog_of(top)
    facts.keep(state_of(top) / PARSED)
    real = _record(against) if against else None
    bills = [_bill(path) for path in boms]
    with progress() as said:
        epoch, now = source_date_epoch(os.environ), int(time.time())
        runner = None if no_run else _runner()
        planned, others = parted(catalog, images)
        found = judging.examine(
            judging.Bench(Paths(top, state_of(top)), Dist((dist or top / "dist").absolute()), said),
            images_named(catalog, planned, which) if planned or not others else [],
            platform_names(platforms),
            runner,
            time=now if epoch is None else epoch,
            now=now,
            verdicts=None if no_cache or real or bills else _verdicts(top, now),
            jobs=jobs or limits.read().jobs(),
            real=real,
            bills=bills,
        )
        workshop = workshop_of(top, dist, said) if others else None
        for one in appraised(others, catalog, chosen, platform_names(platforms), workshop, runner, real, bills):
            judged = reports.Judged(one.name, one.platform, one.digest, one.size, one.layers)
            found = structs.replace(found, findings=(*found.findings, *one.findings), images=(*found.images, judged))
    write(found, wanted)
    reports.print_table(found, colour=False if os.environ.get("NO_COLOR") else None)
    sys.exit(reports.exit_code(found))


def _record(path: Path) -> Real:
    from imagemill import recorder

    return recorder.load(path)


def _bill(path: Path) -> Bill:
    from imagemill.sbom import bill

    return bill.read(path)


def _runner() -> Runner | None:
    from imagemill.engine import containers

    return containers.find(dict(os.environ))  # a plain one goes to other processes


def _verdicts(root: Path, now: int) -> Verdicts:
    from imagemill.verdicts import Verdicts

    return Verdicts(state_of(root) / "conform", Path(__file__).parents[1], root, now)


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
