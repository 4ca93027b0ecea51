"""A graph of tasks, run in threads: what is ready starts at once, on the longest way to the end first.

A task that fails takes with it what needs it and what is then of no use to anything, no more. Knows nothing of
images or layers.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Task:
    """One thing to do. `call` does it, in a thread of its own, and returns what came of it.

    `lane` is what it waits in line for: lanes have a number of places. `needs` names the tasks before it, `weight`
    is how long it takes compared with others, and `memory` the bytes that it needs while it runs.
    """

    name: str
    lane: str
    call: Callable[[], Any]
    needs: frozenset[str] = frozenset()
    weight: float = 1.0
    memory: int = 0


class Watch(Protocol):
    """Who is told, always in the thread that called `run`."""

    def begin(self, task: Task) -> None:
        """It starts now."""

    def done(self, task: Task, value: Any, seconds: float) -> None:
        """It gave this."""

    def failed(self, task: Task, error: Exception, seconds: float) -> None:
        """It raised this."""

    def skipped(self, task: Task, culprit: Task, error: Exception) -> None:
        """It is not done: the task `culprit` failed with `error`, and so it cannot be, or is of no use."""


def run(tasks: Sequence[Task], places: Mapping[str, int], memory: int, watch: Watch, *, fail_fast: bool) -> None:
    """Do all tasks, as many at once as their lanes have places and `memory` (bytes) has room for; at least one.

    With `fail_fast` nothing is started after a failure; what runs is waited for. An exception that is no Exception
    (KeyboardInterrupt) leaves at once, and leaves behind what runs: end that yourself.
    """
    table = {task.name: task for task in tasks}
    waiting = {task.name: set(task.needs) & table.keys() for task in tasks}
    rank = ranks(tasks)
    running: dict[str, Task] = {}
    events: queue.SimpleQueue[tuple[Task, Any, Exception | None, float]] = queue.SimpleQueue()
    dead: set[str] = set()
    stopped = False

    def start() -> None:
        ready = sorted((name for name, needs in waiting.items() if not needs), key=lambda name: (-rank[name], name))
        for name in ready:
            task = table[name]
            taken = sum(other.lane == task.lane for other in running.values())
            used = sum(other.memory for other in running.values())
            if taken < places[task.lane] and (not taken or used + task.memory <= memory):
                del waiting[name]
                running[name] = task
                watch.begin(task)
                threading.Thread(target=_do, args=(task, events), name=name, daemon=True).start()

    while not stopped or running:
        if not stopped:
            start()
        if not running:
            break
        task, value, error, seconds = events.get()
        del running[task.name]
        if error is None:
            watch.done(task, value, seconds)
            for needs in waiting.values():
                needs.discard(task.name)
        else:
            watch.failed(task, error, seconds)
            for name in sorted(doomed(tasks, {*dead, task.name}) - {*dead, task.name}):
                dead.add(name)
                if waiting.pop(name, None) is not None:
                    watch.skipped(table[name], task, error)
            dead.add(task.name)
            stopped = fail_fast


def ranks(tasks: Sequence[Task]) -> dict[str, float]:
    """For each task, the weight of the heaviest way from it to an end, itself included.

    `tasks` may come in any order. ValueError when they need each other in a circle.
    """
    after: dict[str, list[str]] = {task.name: [] for task in tasks}
    left = {task.name: 0 for task in tasks}
    for task in tasks:
        for need in task.needs & after.keys():
            after[need].append(task.name)
            left[need] += 1
    needs = {task.name: task.needs & after.keys() for task in tasks}
    weight = {task.name: task.weight for task in tasks}
    found: dict[str, float] = {}
    ends = [name for name, count in left.items() if not count]
    while ends:
        name = ends.pop()
        found[name] = weight[name] + max((found[other] for other in after[name]), default=0.0)
        for need in needs[name]:
            left[need] -= 1
            if not left[need]:
                ends.append(need)
    if len(found) < len(tasks):
        raise ValueError(f"in a circle: {sorted(set(after) - set(found))}")
    return found


def doomed(tasks: Sequence[Task], dead: Set[str]) -> set[str]:
    """`dead`, what needs one of them, directly or not, and what only those need."""
    found = set(dead)
    after: dict[str, set[str]] = {}
    for task in tasks:
        for need in task.needs:
            after.setdefault(need, set()).add(task.name)
    while more := {
        task.name
        for task in tasks
        if task.name not in found and (task.needs & found or (after.get(task.name) or {""}) <= found)
    }:
        found |= more
    return found


def _do(task: Task, events: queue.SimpleQueue[tuple[Task, Any, Exception | None, float]]) -> None:
    started = time.monotonic()
    try:
        value, error = task.call(), None
    except Exception as raised:  # whatever it is, the main thread must hear of it
        value, error = None, raised
    events.put((task, value, error, time.monotonic() - started))
