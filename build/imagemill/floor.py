"""The factory floor at work: what is told of each task, kept of its result, and said of what failed."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagemill.crew import WorkError
from imagemill.dist import Artifact, Dist
from imagemill.errors import BuildError, ImagemillError
from imagemill.graph import Task
from imagemill.logbook import Logbook
from imagemill.progress import Progress
from imagemill.tasks import IMAGE, LAYER, Tasks


@dataclass(frozen=True)
class Result:
    """What became of one image: its artifact, whether anything was done for it, and how long it took."""

    artifact: Artifact
    reused: bool
    seconds: float


@dataclass(frozen=True)
class Failure:
    """An image that could not be made: in which step, why, and where the log is. `step` is empty for the image."""

    image: str
    step: str
    error: Exception
    log: Path

    def __str__(self) -> str:
        where = f" ({self.step})" if self.step else ""
        cause = str(self.error) if isinstance(self.error, ImagemillError) else repr(self.error)
        return f"{self.image}{where}: " + cause.replace("\n", "\n    ") + f"\n    log: {self.log}"


class BuildFailed(BuildError):
    """Some images could not be made. `results` are those that could, `causes` every error with an image it is of.

    The exit code is that of the failures, where they agree on one.
    """

    def __init__(
        self,
        failures: Sequence[Failure],
        results: Sequence[Result],
        untried: Sequence[str],
        causes: Sequence[tuple[str, Exception]],
    ) -> None:
        self.failures = tuple(failures)
        self.results = tuple(results)
        self.causes = tuple(causes)
        plural = "image" if len(failures) == 1 else "images"
        lines = [f"{len(failures)} {plural} could not be made:", *(f"  {failure}" for failure in failures)]
        if untried:
            lines.append(f"  not tried, because of --fail-fast: {', '.join(untried)}")
        super().__init__("\n".join(lines))
        codes = {getattr(failure.error, "exit_code", ImagemillError.exit_code) for failure in failures}
        self.exit_code = codes.pop() if len(codes) == 1 else BuildError.exit_code


class Floor:
    """Watches the tasks of one build: tells people, writes logs, and keeps the record of what is finished.

    Tasks of images give artifacts, those of layers a layer and the memory that it took (see `layers.craft`).
    """

    def __init__(self, dist: Dist, progress: Progress, logbook: Logbook, tasks: Tasks) -> None:
        self._dist = dist
        self._progress = progress
        self._logbook = logbook
        self._words = tasks.words
        self._details = tasks.details
        self._users = tasks.users
        self._record = dict(dist.read())
        self._spent: dict[str, float] = {}
        self._finished = 0
        self.results: list[Result] = []
        self.failures: dict[str, Failure] = {}
        self._causes: list[tuple[str, Exception]] = []
        progress.total(0, len(tasks.table))

    def begin(self, task: Task) -> None:
        """A task starts."""
        self._progress.begin(task.name, self._words[task.name])

    def done(self, task: Task, value: Any, seconds: float) -> None:
        """A task is done."""
        words = self._words[task.name]
        if task.lane == LAYER:
            made, memory = value
            self._spent[task.name] = seconds
            said = f"{words}, {made.blob.size / 1e6:.1f} MB, {seconds:.1f} s"
            self._note(task, f"{said}, its process up to {memory / 1e6:.0f} MB: {made.blob.digest}")
        elif task.lane == IMAGE:
            # a layer that several images share counts for the first of them
            mine = [key for key in self._spent if key in task.needs]
            whole = seconds + sum(self._spent.pop(key) for key in mine)
            self.results.append(Result(value, False, whole))
            self._record[task.name] = value
            self._dist.write(self._record)
            said = f"{words}: {value.digest}"
            for platform, built in sorted(value.platforms.items()):
                self._note(task, f"{platform}: {built.digest}, {built.size / 1e6:.1f} MB")
            self._note(task, f"{said}, {seconds:.1f} s")
        else:
            said = f"{words}, {seconds:.1f} s"
            self._note(task, f"{said}; {self._details[task.name]}")
        self._end(task, said)

    def failed(self, task: Task, error: Exception, seconds: float) -> None:
        """A task failed."""
        said = f"{self._words[task.name]}: FAILED after {seconds:.1f} s"
        trace = error.trace if isinstance(error, WorkError) else "".join(traceback.format_exception(error))
        self._note(task, f"{said}\n{error}\n{trace}")
        self._causes += ((image, error) for image in sorted(self._users[task.name]))
        if task.lane == IMAGE:
            self._fail(task.name, "", error)
        self._progress.say(f"{said}: {str(error).partition(chr(10))[0]}")
        self._end(task, "")

    def skipped(self, task: Task, culprit: Task, error: Exception) -> None:
        """A task cannot be done any more."""
        if task.lane == IMAGE:
            self._fail(task.name, self._words[culprit.name], error)
        self._end(task, "")

    def outcome(self, images: Sequence[str]) -> list[Result]:
        """The results for `images`, all that were to be made. Raises BuildFailed when there are failures."""
        if self.failures:
            made = {result.artifact.name for result in self.results}
            untried = [name for name in images if name not in made and name not in self.failures]
            raise BuildFailed(list(self.failures.values()), self.results, untried, self._causes)
        return self.results

    def _fail(self, image: str, step: str, error: Exception) -> None:
        failure = Failure(image, step, error, self._logbook.path(image))
        self.failures[image] = failure
        self._logbook.note([image], f"not made: {failure}")

    def _note(self, task: Task, text: str) -> None:
        self._logbook.note(sorted(self._users[task.name]), text)

    def _end(self, task: Task, said: str) -> None:
        self._finished += 1
        self._progress.end(task.name, f"{self._finished}/{len(self._words)} {said}" if said else "")
        self._progress.total(self._finished, len(self._words))
