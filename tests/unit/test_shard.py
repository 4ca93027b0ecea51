"""Shards: every image in one of them, the same everywhere, what shares layers together, evenly."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_factory import IMAGES, LOCK, ROOT, Tiny

from imagemill.dist import Dist
from imagemill.errors import SelectionError
from imagemill.factory import Paths
from imagemill.progress import Silent
from imagemill.shard import Cost, Shard, split

COSTS = Tiny(Paths(ROOT, ROOT / "nowhere"), Dist(ROOT / "nowhere"), Silent()).costs(IMAGES, LOCK)


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "-1/3", "1/3/5", "a/b"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(SelectionError, match="from 1/3 to 3/3"):
        Shard.parse(text)


def test_a_shard_is_read() -> None:
    assert Shard.parse("2/5") == Shard(2, 5)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_every_planned_image_is_in_one_shard(count: int) -> None:
    shards = split(COSTS, count)
    assert len(shards) == count
    assert sorted(name for shard in shards for name in shard) == sorted(image.name for image in IMAGES)


def test_images_of_one_runtime_stay_together() -> None:
    runtime = {cost.image: cost.runtime for cost in COSTS}
    for shard in split(COSTS, 2):
        for other in split(COSTS, 2):
            if shard != other:
                assert not {runtime[name] for name in shard} & {runtime[name] for name in other}


def test_with_more_shards_than_runtimes_images_of_the_same_layers_do() -> None:
    [together] = [shard for shard in split(COSTS, 50) if "python3.13-debian" in shard]
    assert together == ["python3.13-debian", "serve-python3.13-debian"]


def test_shares_are_even() -> None:
    weight = {"a": 9, "b": 7, "c": 6, "d": 5, "e": 4, "f": 3}
    costs = [Cost(name, name, {f"layer of {name}": one}) for name, one in weight.items()]
    assert sorted(sum(weight[name] for name in shard) for shard in split(costs, 2)) == [17, 17]


rows = st.lists(st.tuples(st.integers(0, 4), st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), max_size=4)))


@given(rows, st.integers(1, 6), st.randoms(use_true_random=False))
def test_the_order_of_the_plan_does_not_matter(
    found: list[tuple[int, dict[str, int]]], count: int, shuffled: random.Random
) -> None:
    costs = [Cost(f"image{n}", f"runtime{runtime}", layers) for n, (runtime, layers) in enumerate(found)]
    weight = {key: value for cost in costs for key, value in cost.layers.items()}  # a key is one layer
    costs = [Cost(c.image, c.runtime, {key: weight[key] for key in c.layers}) for c in costs]
    shards = split(costs, count)
    assert sorted(name for shard in shards for name in shard) == sorted(cost.image for cost in costs)
    shuffled.shuffle(costs)
    assert split(costs, count) == shards
