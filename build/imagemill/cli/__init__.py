"""The command line: parses, calls one function, prints. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import atexit
import gc
from collections import UserDict
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from imagemill import __version__
from imagemill.errors import ImagemillError

PLACES = {
    "bake": "bake",
    "build": "build",
    "bundle": "verify",
    "clean-registry": "registry",
    "conform": "images",
    "context": "images",
    "diff": "diff",
    "export": "bake",
    "lock": "locks",
    "merge": "dist",
    "notes": "notes",
    "plan": "plan",
    "prune": "dist",
    "publish": "publish",
    "readme": "manifests",
    "record": "record",
    "render": "manifests",
    "report": "reports",
    "reproduce": "reproduce",
    "run": "images",
    "sbom": "sbom",
    "schema": "manifests",
    "tags": "tags",
    "trust": "trust",
    "validate": "manifests",
    "verify": "verify",
}
"""Command -> the module below imagemill.cli that has it, under the same name."""


class _Commands(UserDict[str, Any]):
    """Commands by name. Their modules are imported when they are asked for: all of them take longer than most runs."""

    def __getitem__(self, name: str) -> Any:
        if isinstance(self.data[name], str):
            self.data[name] = getattr(import_module(f"imagemill.cli.{self.data[name]}"), name.replace("-", "_"))
        return self.data[name]


class _Cli(click.Group):
    """A group whose commands end with the exit code of the error they meet, and without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ImagemillError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=_Cli, commands=_Commands(PLACES), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="The checkout; default: this folder or one above it.",
)
@click.pass_context
def main(ctx: click.Context, root: Path | None) -> None:
    """An image factory: AWS-Lambda-style runtime images from one YAML manifest each."""
    atexit.register(
        gc.freeze
    )  # who ends need not look for garbage first, which takes as long as importing much of this
    ctx.obj = root
