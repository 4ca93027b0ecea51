"""The programs that engines start: they end when a build is stopped, and clean up before their place goes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

_PATIENCE = 10  # seconds that programs get to end, and that builds get to clean up after them

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class Children:
    """Programs that run for builds. Builds are in threads, which nobody can stop; what they wait for can be."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._builds = 0
        self._changed = threading.Condition()

    def awaited(self, build: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
        """The same as a build that `end` waits for."""

        def waited_for(*given: _Given.args, **options: _Given.kwargs) -> _Result:
            with self._changed:
                self._builds += 1
            try:
                return build(*given, **options)
            finally:
                with self._changed:
                    self._builds -= 1
                    self._changed.notify_all()

        return waited_for

    def call(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end and keep what it says. FileNotFoundError when there is none.

        It leads a session of its own: Ctrl-C on a terminal reaches only us, and what it starts ends with it.
        """
        with subprocess.Popen(
            argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            with self._changed:
                self._running.add(process)
            try:
                out, err = process.communicate()
            finally:
                with self._changed:
                    self._running.discard(process)
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def end(self) -> None:
        """End what runs, and wait for the builds, which remove what it has left."""
        with self._changed:
            for number in (signal.SIGTERM, signal.SIGKILL):
                for process in self._running:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, number)
                if self._changed.wait_for(lambda: not self._builds, _PATIENCE):
                    return
