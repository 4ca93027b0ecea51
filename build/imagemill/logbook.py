"""One log file an image: what was done for it, when, for how long, and why it failed."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from imagemill import __version__


def now() -> datetime.datetime:
    """The time, in this machine's time zone."""
    return datetime.datetime.now().astimezone()


class Logbook:
    """Log files `<image>.log` in one folder. Each line is on disk when the call returns."""

    def __init__(self, folder: Path, clock: Callable[[], datetime.datetime] = now) -> None:
        self._folder = folder
        self._clock = clock

    def path(self, image: str) -> Path:
        """Where the log of an image is."""
        return self._folder / f"{image}.log"

    def open(self, image: str, *facts: str) -> None:
        """Begin the log of an image anew, with what there is to say of it before anything is done."""
        self._folder.mkdir(parents=True, exist_ok=True)
        when = self._clock().isoformat(timespec="seconds")
        head = f"imagemill {__version__}, {image}, {when}, process {os.getpid()}"
        self.path(image).write_text("\n".join((head, *facts)) + "\n", encoding="utf-8")

    def note(self, images: Iterable[str], text: str) -> None:
        """Add lines to the logs of these images, the first with the time."""
        when = self._clock().strftime("%H:%M:%S")
        for image in images:
            with self.path(image).open("a", encoding="utf-8") as file:
                file.write(f"{when} {text.rstrip()}\n")
