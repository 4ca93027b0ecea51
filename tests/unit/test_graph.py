"""Tasks in their order, within bounds, and failures that stop only what needs them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemill import graph
from imagemill.graph import Task


class Seen:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.values: dict[str, Any] = {}
        self.errors: dict[str, Exception] = {}
        self.left_out: dict[str, str] = {}

    def begin(self, task: Task) -> None:
        self.begun.append(task.name)

    def done(self, task: Task, value: Any, seconds: float) -> None:
        self.values[task.name] = value

    def failed(self, task: Task, error: Exception, seconds: float) -> None:
        self.errors[task.name] = error

    def skipped(self, task: Task, culprit: Task, error: Exception) -> None:
        self.left_out[task.name] = culprit.name


def task(
    name: str,
    needs: Iterable[str] = (),
    *,
    lane: str = "x",
    weight: float = 1,
    memory: int = 0,
    call: Callable[[], Any] | None = None,
) -> Task:
    return Task(name, lane, call or (lambda: name), frozenset(needs), weight, memory)


def run(*tasks: Task, places: int = 1, memory: int = 100, fail_fast: bool = False) -> Seen:
    seen = Seen()
    graph.run(tasks, {"x": places, "y": 1}, memory, seen, fail_fast=fail_fast)
    return seen


def fail() -> None:
    raise RuntimeError("no")


def test_what_needs_another_comes_after_it() -> None:
    assert run(task("c", "ab"), task("b", "a"), task("a")).begun == ["a", "b", "c"]


def test_what_is_there_already_is_not_waited_for() -> None:
    assert run(task("a", ["somewhere else"])).values == {"a": "a"}


def test_the_longest_way_to_the_end_is_first() -> None:
    tasks = [task("short", weight=3), task("long", weight=2), task("end", ["long"], weight=2), task("tiny", weight=1)]
    assert run(*tasks).begun == ["long", "short", "end", "tiny"]


def test_a_failure_takes_what_needs_it_and_nothing_else() -> None:
    seen = run(task("a", call=fail), task("b", "a"), task("c", "b"), task("d"), task("e", "d"))
    assert (set(seen.errors), seen.left_out, set(seen.values)) == ({"a"}, {"b": "a", "c": "a"}, {"d", "e"})


def test_what_is_of_no_use_any_more_is_not_begun() -> None:
    seen = run(task("a", weight=9, call=fail), task("b"), task("image", "ab"), task("c"), task("other", "c"))
    assert seen.begun == ["a", "c", "other"]
    assert seen.left_out == {"b": "a", "image": "a"}


def test_fail_fast_starts_nothing_more() -> None:
    seen = run(task("a", weight=2, call=fail), task("b"), fail_fast=True)
    assert (seen.begun, seen.left_out) == (["a"], {})


@pytest.mark.parametrize(
    ("places", "memory", "at_once"), [(1, 100, 1), (2, 100, 2), (3, 100, 3), (3, 20, 2), (3, 5, 1)]
)
def test_no_more_at_once_than_places_and_memory_allow(places: int, memory: int, at_once: int) -> None:
    most, now, lock = 0, 0, threading.Lock()
    full = threading.Barrier(at_once)

    def call() -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        full.wait(10)  # breaks when fewer run at once than may
        with lock:
            now -= 1

    seen = run(*(task(name, memory=10, call=call) for name in "abcdef"), places=places, memory=memory)
    assert seen.errors == {}
    assert most == at_once


def test_each_lane_has_places_of_its_own() -> None:
    both = threading.Barrier(2)
    wait = lambda: both.wait(10)  # noqa: E731
    assert run(task("a", call=wait), task("b", lane="y", call=wait)).errors == {}


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="in a circle: \\['a', 'b'\\]"):
        run(task("a", "b"), task("b", "a"), task("c"))


@given(st.lists(st.tuples(st.sets(st.integers(0, 11)), st.integers(1, 9), st.booleans()), max_size=12))
def test_everything_is_done_or_failed_or_left_out_for_a_reason(rows: list[tuple[set[int], int, bool]]) -> None:
    tasks = [
        task(str(n), [str(need) for need in needs if need < n], weight=weight, call=fail if broken else None)
        for n, (needs, weight, broken) in enumerate(rows)
    ]
    seen = run(*tasks, places=3)
    assert sorted([*seen.values, *seen.errors, *seen.left_out]) == sorted(t.name for t in tasks)
    for one in tasks:
        if one.name in seen.begun:
            assert all(seen.begun.index(need) < seen.begun.index(one.name) for need in one.needs)
        dead = seen.errors.keys() | seen.left_out.keys()
        after = {other.name for other in tasks if one.name in other.needs}
        if one.needs & dead:
            assert one.name in seen.left_out
        elif one.name in seen.left_out:
            assert after and after <= dead
    assert seen.errors.keys() <= {str(n) for n, row in enumerate(rows) if row[2]}
