"""Several calls at once: in several execution environments, and in one runtime that takes several events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from stage import IMAGES, Open, call, first, said

from imagemill.plan import Image

pytestmark = pytest.mark.engine

PYTHON = first("run", "python")
NODE22, NODE24 = (next(image for image in IMAGES if name in image.tags) for name in ("nodejs22.x", "nodejs24.x"))

Span = tuple[int, float, float]


def at_once(client: Any, count: int) -> list[Span]:
    """So many calls of a second each: the process, the start and the end of each, by the end."""
    with ThreadPoolExecutor(count) as pool:
        spans = pool.map(lambda _: call(client, {"seconds": 1}), range(count))
        return sorted((tuple(span) for span in spans), key=lambda span: span[2])


def side_by_side(spans: list[Span]) -> bool:
    """Whether there was a moment at which all of them worked."""
    return max(start for _, start, _ in spans) < min(end for _, _, end in spans)


def test_four_environments_and_a_fifth_call(stay_open: Open) -> None:
    with stay_open(PYTHON, "many.span", DOCKER_LAMBDA_CONCURRENCY="4") as (_, _, client):
        at_once(client, 4)  # has them all started
        spans = at_once(client, 5)
    *four, fifth = spans
    assert side_by_side(four)
    assert len({process for process, _, _ in four}) == 4
    assert fifth[1] >= four[0][2]
    assert fifth[0] in {process for process, _, _ in four}


def test_a_queue_serves_one_after_another(stay_open: Open) -> None:
    with stay_open(PYTHON, "many.span") as (_, _, client):
        spans = at_once(client, 2)
    assert all(before[2] <= after[1] for before, after in pairwise(spans))


@pytest.mark.parametrize(
    ("image", "processes"),
    # Python forks a worker for each event; one thread of Node.js takes them all.
    [
        pytest.param(PYTHON, 3, id="python"),
        pytest.param(NODE22, 1, id="nodejs22.x"),
        pytest.param(NODE24, 1, id="nodejs24.x"),
    ],
)
def test_one_runtime_takes_several_events(image: Image, processes: int, stay_open: Open) -> None:
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "3", "AWS_LAMBDA_NODEJS_WORKER_COUNT": "1"}
    with stay_open(image, "many.span", **env) as (container, _, client):
        at_once(client, 3)  # has the workers started
        spans = at_once(client, 3)
        # An answer does not wait for another event to come: this one is alone.
        call(client, {"seconds": 0})
        text = said(container, r"(?s)(REPORT RequestId.*){7}")
    assert side_by_side(spans)
    assert len({process for process, _, _ in spans}) == processes
    assert text.count("Init Duration") == 1


def test_a_worker_that_ends_costs_its_own_call_only(stay_open: Open) -> None:
    """AWS's client tells nobody that one of its workers has ended: the function's time runs out for that call."""
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "2", "AWS_LAMBDA_FUNCTION_TIMEOUT": "3"}
    with stay_open(PYTHON, "many.span_or_exit", **env) as (_, _, client), ThreadPoolExecutor(2) as pool:
        other = pool.submit(call, client, {"seconds": 1})
        assert call(client, {"exit": True})["errorType"] == "Sandbox.Timedout"
        assert len(other.result()) == 3
        assert len(call(client, {"seconds": 0})) == 3
