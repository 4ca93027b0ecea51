"""Commands that record a real environment."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from imagemill import recorder


@click.group()
def record() -> None:
    """Record what a function sees in a real environment, to hold images against it.

    Write a function with `zip`, deploy and invoke it where you want to record, have `facts` make a facts file of its
    answer, and give that to `imagemill conform --against`.
    """


@record.command("zip")
@click.argument("family", type=click.Choice(list(recorder.FUNCTIONS)))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: recorder-FAMILY.zip.")
def write_zip(family: str, out: Path | None) -> None:
    """Write the recording function for a family of runtimes, as AWS Lambda takes it. Prints the file's name.

    It takes any event, needs no permissions and no network, and 128 MB do.
    """
    file = out or Path(f"recorder-{family}.zip")
    file.write_bytes(recorder.function(family))
    click.echo(file)
    click.echo(f"its handler: {recorder.FUNCTIONS[family][1]}", err=True)


@record.command()
@click.argument("answer", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: standard output.")
def facts(answer: Path, out: Path | None) -> None:
    """Make a facts file of what the recording function answered; - is standard input. Credentials are left out."""
    text = sys.stdin.read() if str(answer) == "-" else answer.read_text(encoding="utf-8", errors="replace")
    found = recorder.dump(recorder.parse(text, str(answer)))
    if out is None:
        click.echo(found, nl=False)
    else:
        out.write_text(found, encoding="utf-8")
