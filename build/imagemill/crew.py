"""A few processes that do one kind of work, one job at a time each, and end when we end, however we end.

Processes and not threads: half of the work is Python. Each leads a process group of its own, so that Ctrl-C on a
terminal reaches only us and that what a worker has started (a compiler) ends with it.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection, get_context, parent_process
from types import TracebackType
from typing import Any, Self

from imagemill.errors import ImagemillError

_CONTEXT = get_context("spawn")  # inherits neither threads nor locks that they hold


class WorkError(ImagemillError):
    """A job that failed in another process. `trace` is its traceback; the exit code is the original error's."""

    def __init__(self, message: str, remedy: str, exit_code: int, trace: str) -> None:
        super().__init__(message, remedy)
        self.exit_code = exit_code
        self.trace = trace


def fresh() -> bool:
    """That no job leaves anything behind."""
    return False


class Crew:
    """Up to `size` processes that call `work` (a function at the top of a module) with what they are given.

    After a job a process asks `tired` (such a function too) whether a new one shall do the next.
    """

    def __init__(self, size: int, work: Callable[[Any], Any], tired: Callable[[], bool] = fresh) -> None:
        self._work = work
        self._tired = tired
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        self._workers: set[_Worker] = set()
        self._closed = False
        for _ in range(size):
            self._idle.put(None)  # started when there is something to do

    def do(self, job: Any) -> Any:
        """Have one of the processes do it, and wait. Raises WorkError; called from many threads at once."""
        worker = self._idle.get()
        try:
            if self._closed:
                raise EOFError
            if worker is None:
                worker = _Worker(self._work, self._tired)
                self._workers.add(worker)
            ok, answer, tired = worker.ask(job)
            if tired:
                worker.kill()
                self._workers.discard(worker)
                worker = None
        except EOFError:
            died, worker = worker, None
            raise _death(died) from None
        finally:
            self._idle.put(worker)
        if not ok:
            raise WorkError(*answer)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for worker in tuple(self._workers):
            worker.kill()


class _Worker:
    """One process and our end of the pipe to it."""

    def __init__(self, work: Callable[[Any], Any], tired: Callable[[], bool]) -> None:
        self._pipe, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_serve, args=(theirs, work, tired), daemon=True)
        self.process.start()
        theirs.close()  # so that the end of the process is the end of the pipe

    def ask(self, job: Any) -> tuple[bool, Any, bool]:
        """Whether it was done, what came of it, and whether the process is tired. EOFError when it dies instead."""
        try:
            self._pipe.send(job)
            ok, answer, tired = self._pipe.recv()
        except OSError as error:
            raise EOFError from error
        return ok, answer, tired

    def kill(self) -> None:
        """End it, and what it started."""
        with suppress(ProcessLookupError, PermissionError):
            if self.process.pid is not None:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()  # it may not lead its group yet
        self.process.join()


def _death(worker: _Worker | None) -> ImagemillError:
    code = None
    if worker is not None:
        worker.process.join()
        code = worker.process.exitcode
    if code == -signal.SIGKILL:
        return WorkError("the process that made it was killed", "likely for want of memory: use fewer --jobs", 10, "")
    return WorkError(f"the process that made it died (exit code {code})", "build again", 10, "")


def _serve(pipe: connection.Connection, work: Callable[[Any], Any], tired: Callable[[], bool]) -> None:
    """The life of a worker."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            answer = True, work(job)
        except ImagemillError as error:
            answer = False, (error.message, error.remedy, error.exit_code, traceback.format_exc())
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            answer = False, (words, "the log file has the traceback", 10, traceback.format_exc())
        pipe.send((*answer, tired()))


def _end_with_parent() -> None:
    """Waits for the parent's death, of which a busy worker would not hear, and ends all that is left."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)
