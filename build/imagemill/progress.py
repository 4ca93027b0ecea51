"""Progress for people, on stderr: a live line on a terminal, plain lines in CI and in files."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO


class Progress(Protocol):
    """What long work tells: `say` for a line that stays, `step` for work that takes a while."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def step(self, text: str) -> None:
        """What is being done now; on a terminal it replaces the step before."""


class Silent:
    """Says nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def step(self, text: str) -> None:
        """Nothing."""


class Plain:
    """A line for each step, with the seconds since the start."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=self._stream, flush=True)

    def step(self, text: str) -> None:
        """Print a line with the time."""
        print(f"[{time.monotonic() - self._start:6.1f}s] {text}", file=self._stream, flush=True)


@contextmanager
def progress(stream: TextIO = sys.stderr) -> Iterator[Progress]:
    """The progress for this stream: rich's status line on a terminal, plain lines elsewhere."""
    if not stream.isatty():
        yield Plain(stream)
        return
    from rich.console import Console  # rich takes 50 ms to import: only where it is seen

    console = Console(file=stream, highlight=False)
    with console.status("starting") as status:

        class Live:
            def say(self, text: str) -> None:
                console.print(text, markup=False)

            def step(self, text: str) -> None:
                status.update(text)

        yield Live()
