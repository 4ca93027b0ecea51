"""The program: `imagemill`, or `python -m imagemill`."""

from __future__ import annotations

import gc


def main() -> None:
    """Do what the command line says, and end with its exit code."""
    gc.set_threshold(50_000)  # what imports make stays; looking at it over and over takes a tenth of a short command
    from imagemill.cli import main as command

    command()


if __name__ == "__main__":
    main()
