"""The command line: parses, calls one function, prints. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imagemill import __version__
from imagemill.errors import ImagemillError

if TYPE_CHECKING:
    from imagemill.load import Catalog
    from imagemill.plan import Image
    from imagemill.workshop import Workshop


class _Cli(click.Group):
    """A group whose commands end with the exit code of the error they meet, and without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ImagemillError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="The checkout; default: this folder or one above it.",
)
@click.pass_context
def main(ctx: click.Context, root: Path | None) -> None:
    """An image factory: AWS-Lambda-style runtime images from one YAML manifest each."""
    ctx.obj = root


_images = click.argument("images", nargs=-1, metavar="[IMAGE]...")
_set = click.option(
    "--set", "which", type=click.Choice(["default", "all"]), default="default", show_default=True,
    help="What no IMAGE means: current runtimes, or deprecated ones too.",
)  # fmt: skip
_platforms = click.option(
    "--platform", "platforms", multiple=True, help="Only this platform, as linux/arm64; may be repeated."
)


@main.command()
@click.pass_obj
def validate(root: Path | None) -> None:
    """Check every manifest; all mistakes at once."""
    catalog = _catalog(_root(root))
    click.echo(f"{len(catalog.runtimes)} runtimes on {len(catalog.bases)} bases: valid", err=True)


@main.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if a file is not up to date.")
@click.pass_obj
def schema(root: Path | None, check: bool) -> None:
    """Write the JSON Schemas of the manifests."""
    from imagemill import schema as schemas

    top = _root(root)
    drift = schemas.drift(top)
    _report_drift(drift, check, "imagemill schema")
    if not check:
        schemas.write(top)


@main.command()
@_images
@_set
@click.option("--format", "form", type=click.Choice(["table", "json", "matrix"]), default="table", show_default=True)
@click.pass_obj
def plan(root: Path | None, images: Sequence[str], which: str, form: str) -> None:
    """Print the images that the manifests describe."""
    from imagemill import show
    from imagemill.plan import unavailable

    top = _root(root)
    catalog = _catalog(top)
    rows = show.rows(top, _chosen(catalog, images, which))
    if form == "json":
        click.echo(json.dumps(rows, indent=1))
    elif form == "matrix":
        click.echo(json.dumps(show.matrix(rows)))
    else:
        show.table(rows, unavailable(catalog))


@main.command()
@_images
@click.option("--check", is_flag=True, help="Change nothing; exit 1 on a missing, stale or untracked file.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Another folder than tests/golden.")
@click.pass_obj
def render(root: Path | None, images: Sequence[str], check: bool, out: Path | None) -> None:
    """Write the Dockerfiles, and what their layers are made of, to tests/golden."""
    from imagemill import render as rendering

    top = _root(root)
    renderer = rendering.Renderer(top)
    chosen = _chosen(_catalog(top), images, "all")
    expected = rendering.golden([renderer.render(image) for image in chosen])
    folder = out or top / "tests" / "golden"
    if check:
        _report_drift(rendering.check(folder, expected), True, "imagemill render")
    elif images:
        for name, content in expected.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    else:
        _report_drift(rendering.write(folder, expected), False, "")


@main.command()
@_images
@_set
@_platforms
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

    top = _root(root)
    catalog = _catalog(top)
    for folder in export(_workshop(top), _chosen(catalog, images, which), out, _platform_names(platforms)):
        click.echo(folder)


@main.command()
@_images
@_set
@_platforms
@click.option(
    "--engine", type=click.Choice(["embedded", "docker", "buildah"]), default="embedded", show_default=True,
    help="Who executes the Dockerfiles.",
)  # fmt: skip
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
    dist: Path | None,
    locked: bool,
    no_load: bool,
) -> None:
    """Build images into dist, making only what changed. Prints name@digest, a line an image."""
    from imagemill import show
    from imagemill.engine import containers
    from imagemill.progress import progress

    top = _root(root)
    catalog = _catalog(top)
    with progress() as said:
        workshop = _workshop(top, dist, said)
        chosen = _chosen(catalog, images, which)
        results = workshop.build(
            catalog,
            chosen,
            engine=engine,
            platforms=_platform_names(platforms),
            locked=locked,
        )
        runner = None if no_load else containers.find(os.environ)
        if runner is not None:
            workshop.load(runner, [result.artifact for result in results])
    for result in results:
        click.echo(f"{result.artifact.tags[-1]}@{result.artifact.digest}")
    show.built(results, chosen, workshop.dist.path, runner.name if runner else "")


@main.command()
@_images
@_set
@_platforms
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

    top = _root(root)
    catalog = _catalog(top)
    with progress() as said:
        runner = None if no_run else containers.find(os.environ)
        found = judging.examine(
            _workshop(top, dist, said), _chosen(catalog, images, which), _platform_names(platforms), runner
        )
    if json_file:
        report.write_json(found, json_file)
    if junit:
        report.write_junit(found, junit)
    report.print_table(found)
    sys.exit(report.exit_code(found))


@main.command(context_settings={"ignore_unknown_options": True})
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

    top = _root(root)
    command = running.command(
        _workshop(top),
        _chosen(_catalog(top), [tag], "all"),
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


@main.command()
@click.option("--update", is_flag=True, help="Resolve everything again and write runtimes/lock.")
@click.option("--check", is_flag=True, help="Exit 1 if the manifests ask for what the lock does not have.")
@click.pass_obj
def lock(root: Path | None, update: bool, check: bool) -> None:
    """Pin what images are made of: versions, places in pools and hashes, never hosts."""
    from imagemill import relock
    from imagemill.progress import progress

    if update == check:
        raise click.UsageError("give either --update or --check")
    top = _root(root)
    catalog = _catalog(top)
    if check:
        _report_drift(relock.uncovered(top, catalog), True, "imagemill lock --update")
        return
    with progress() as said:
        changes = relock.update(_workshop(top, progress=said), catalog)
    for line in changes or ["nothing changed"]:
        click.echo(line)


@main.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if the table is not up to date.")
@click.pass_obj
def readme(root: Path | None, check: bool) -> None:
    """Write the table of tags in README.md from the manifests."""
    from imagemill import show

    top = _root(root)
    path = top / "README.md"
    text = path.read_text(encoding="utf-8")
    wanted = show.with_tags(text, _catalog(top))
    _report_drift(["stale: README.md"] if text != wanted else [], check, "imagemill readme")
    if not check:
        path.write_text(wanted, encoding="utf-8")


def _root(given: Path | None) -> Path:
    """The checkout: the folder that was given, or the nearest one that has a `runtimes` folder."""
    here = Path.cwd()
    if given is not None:
        return given.resolve()
    for folder in (here, *here.parents):
        if (folder / "runtimes").is_dir() and (folder / "templates").is_dir():
            return folder
    raise ImagemillError(f"{here} is not in a checkout of imagemill", "go to one, or name it with --root")


def _catalog(root: Path) -> Catalog:
    from imagemill.load import load

    return load(root)


def _chosen(catalog: Catalog, words: Sequence[str], which: str) -> list[Image]:
    from imagemill.plan import current, plan, select

    images = plan(catalog)
    if words:
        return select(images, words)
    return images if which == "all" else current(images, datetime.datetime.now(datetime.UTC).date())


def _platform_names(names: Sequence[str]) -> list[str]:
    from imagemill.platforms import find

    return [str(find(name)) for name in names]


def _workshop(root: Path, dist: Path | None = None, progress: Any = None) -> Workshop:
    from imagemill.dist import Dist
    from imagemill.factory import Paths
    from imagemill.mirrors import Mirrors
    from imagemill.progress import Silent
    from imagemill.workshop import Workshop

    state = Path(os.environ.get("IMAGEMILL_STATE") or root / ".imagemill").absolute()
    paths = Paths(root, state)
    place = (dist or root / "dist").absolute()
    return Workshop(paths, Dist(place), Mirrors.discover(os.environ), progress or Silent(), os.environ)


def _report_drift(problems: Sequence[str], check: bool, command: str) -> None:
    for line in problems:
        click.echo(line, err=True)
    if check and problems:
        click.echo(f"run `{command}` and commit what it writes", err=True)
        sys.exit(1)
