"""What commands share: their options, and the way from the environment to what a function takes.

Only here does the factory read the environment and the working directory.
"""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imagemill.errors import CheckoutError
from imagemill.paths import PARSED

if TYPE_CHECKING:
    from imagemill.catalog import Catalog
    from imagemill.plan import Image
    from imagemill.snapshot import Snapshot
    from imagemill.workshop import Workshop

images_argument = click.argument("images", nargs=-1, metavar="[IMAGE]...")
set_option = click.option(
    "--set", "which", type=click.Choice(["default", "all"]), default="default", show_default=True,
    help="What no IMAGE means: current runtimes, or deprecated ones too.",
)  # fmt: skip
platforms_option = click.option(
    "--platform", "platforms", multiple=True, help="Only this platform, as linux/arm64; may be repeated."
)


def checkout(given: Path | None) -> Path:
    """The checkout: the folder that was given, or the nearest one that has a `runtimes` folder."""
    here = Path.cwd()
    if given is not None:
        return given.resolve()
    for folder in (here, *here.parents):
        if (folder / "runtimes").is_dir() and (folder / "templates").is_dir():
            return folder
    raise CheckoutError(f"{here} is not in a checkout of imagemill", "go to one, or name it with --root")


def catalog_of(root: Path) -> Catalog:
    """All manifests of the checkout, as they were last read where nothing has changed since."""
    from imagemill import catalog

    return catalog.current(root, state_of(root) / PARSED)


def images_named(catalog: Catalog, words: Sequence[str], which: str) -> list[Image]:
    from imagemill.plan import current, plan, select

    images = plan(catalog)
    if words:
        return select(images, words)
    return images if which == "all" else current(images, datetime.datetime.now(datetime.UTC).date())


def platform_names(names: Sequence[str]) -> list[str]:
    from imagemill.platforms import find

    return [str(find(name)) for name in names]


def state_of(root: Path) -> Path:
    """Where the factory keeps what it can make or fetch again."""
    return Path(os.environ.get("IMAGEMILL_STATE") or root / ".imagemill").absolute()


def snapshot_of(root: Path, engine: str = "embedded") -> Snapshot:
    """The whole plan of the checkout, as it was last derived where nothing has changed since."""
    from imagemill import snapshot
    from imagemill.builder import source_date_epoch

    return snapshot.current(root, state_of(root), source_date_epoch(os.environ), engine)


def workshop_of(root: Path, dist: Path | None = None, progress: Any = None) -> Workshop:
    from imagemill.dist import Dist
    from imagemill.factory import Paths
    from imagemill.mirrors import Mirrors
    from imagemill.progress import Silent
    from imagemill.workshop import Workshop

    paths = Paths(root, state_of(root))
    place = (dist or root / "dist").absolute()
    return Workshop(paths, Dist(place), Mirrors.discover(os.environ), progress or Silent(), os.environ)


def report_drift(problems: Sequence[str], check: bool, command: str) -> None:
    for line in problems:
        click.echo(line, err=True)
    if check and problems:
        click.echo(f"run `{command}` and commit what it writes", err=True)
        sys.exit(1)
