"""Splitting a build over machines: the same plan gives the same shards everywhere, and no image is in two."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from imagemill.errors import SelectionError


@dataclass(frozen=True)
class Shard:
    """The share number `number` (from 1) of `count`."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @staticmethod
    def parse(text: str) -> Shard:
        """`2/5`. SelectionError for what is no such thing."""
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise SelectionError(f"there is no shard {text!r}", "give number/count, from 1/3 to 3/3")
        return Shard(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class Cost:
    """What an image is to make: its layers, by key, with their weights. Those of one runtime stay together."""

    image: str
    runtime: str
    layers: Mapping[str, int]


def split(costs: Sequence[Cost], count: int) -> list[list[str]]:
    """The images of each of `count` shards, sorted. A shard may be empty.

    The heaviest first, each to where the most is there already or the least has to be made. Images of one runtime
    share most layers and stay together, unless there are more shards than runtimes.
    """
    units = _units(costs, lambda cost: cost.runtime)
    if len(units) < count:
        units = _units(costs, lambda cost: "\n".join(sorted(cost.layers)))
    units.sort(key=lambda unit: (-_weight(_layers(unit)), min(cost.image for cost in unit)))
    shards: list[list[str]] = [[] for _ in range(count)]
    made: list[dict[str, int]] = [{} for _ in range(count)]
    for unit in units:
        layers = _layers(unit)
        loads = [(_weight(there | layers), -_weight(there), number) for number, there in enumerate(made)]
        number = min(loads)[2]
        made[number] |= layers
        shards[number] += (cost.image for cost in unit)
    return [sorted(shard) for shard in shards]


def _units(costs: Sequence[Cost], key: Callable[[Cost], str]) -> list[list[Cost]]:
    found: dict[str, list[Cost]] = {}
    for cost in costs:
        found.setdefault(key(cost), []).append(cost)
    return list(found.values())


def _layers(unit: Sequence[Cost]) -> dict[str, int]:
    return {key: weight for cost in unit for key, weight in cost.layers.items()}


def _weight(layers: Mapping[str, int]) -> int:
    return sum(layers.values())
