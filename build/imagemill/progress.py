"""Progress for people, on stderr: live lines on a terminal, plain lines in CI and in files."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


class Progress(Protocol):
    """What long work tells: lines that stay, the step it is at, and jobs that run side by side."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def step(self, text: str) -> None:
        """What is being done now; on a terminal it replaces the step before."""

    def begin(self, job: str, text: str) -> None:
        """A job, by a name of its own, runs from now on."""

    def end(self, job: str, text: str) -> None:
        """It has ended; `text` says how, and may be empty."""

    def total(self, done: int, count: int) -> None:
        """So many of all jobs have ended."""


class Silent:
    """Says nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def step(self, text: str) -> None:
        """Nothing."""

    def begin(self, job: str, text: str) -> None:
        """Nothing."""

    def end(self, job: str, text: str) -> None:
        """Nothing."""

    def total(self, done: int, count: int) -> None:
        """Nothing."""


class Plain:
    """A line for each step and for each job that has ended, with the seconds since the start."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line, in one piece: threads may print at once."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def step(self, text: str) -> None:
        """Print a line with the time."""
        self.say(f"[{time.monotonic() - self._start:6.1f}s] {text}")

    def begin(self, job: str, text: str) -> None:
        """Nothing: its end is enough."""

    def end(self, job: str, text: str) -> None:
        """Print a line with the time."""
        if text:
            self.step(text)

    def total(self, done: int, count: int) -> None:
        """Nothing: the numbers are in the lines."""


class Live:
    """On a terminal: a line for each running job with its seconds, and one with the step and the total."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self._step = "starting"
        self._total = ""
        self._jobs: dict[str, tuple[str, float]] = {}

    def say(self, text: str) -> None:
        """Print a line above."""
        self._console.print(text, markup=False)

    def step(self, text: str) -> None:
        """Show it from now on."""
        self._step = text

    def begin(self, job: str, text: str) -> None:
        """Show a line for it from now on."""
        self._jobs[job] = text, time.monotonic()
        self._step = ""

    def end(self, job: str, text: str) -> None:
        """Its line goes."""
        self._jobs.pop(job, None)

    def total(self, done: int, count: int) -> None:
        """Show it from now on."""
        self._total = f"{done} of {count} done"

    def __rich__(self) -> Text:
        """What is shown now. Called from a thread of rich's own."""
        from rich.text import Text

        now = time.monotonic()
        lines = [f"  {now - begun:6.1f}s  {text}" for text, begun in tuple(self._jobs.values())]
        last = ", ".join(word for word in (self._total, self._step) if word)
        return Text("\n".join([*lines, f"[{now - self._start:6.1f}s] {last}"]), no_wrap=True, overflow="ellipsis")


@contextmanager
def progress(stream: TextIO = sys.stderr) -> Iterator[Progress]:
    """The progress for this stream: live lines on a terminal, plain ones elsewhere."""
    if not stream.isatty():
        yield Plain(stream)
        return
    from rich.console import Console  # rich takes 50 ms to import: only where it is seen
    from rich.live import Live as Display

    console = Console(file=stream, highlight=False)
    shown = Live(console)
    with Display(shown, console=console, refresh_per_second=8, transient=True):
        yield shown
