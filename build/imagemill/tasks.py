"""The tasks of a build: what is fetched, which layers are made from it, and the images that wait for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from imagemill.cache import Cache
from imagemill.crew import Crew
from imagemill.graph import Task
from imagemill.layers import Job, LayerStore, Order
from imagemill.lock import Item, Lock

FETCH, LAYER, IMAGE = "fetch", "layer", "image"
"""The lanes that tasks wait in."""

Fetch = Callable[[Lock, Sequence[Item]], None]
"""Brings inputs that a lock names into the cache."""

_IMAGE_WEIGHT = 100_000  # in the bytes of inputs that a layer is made of in the same time
_FETCHED = 0.1  # the weight of a byte that is fetched, where one that is made into a layer weighs 1


@dataclass(frozen=True)
class Tasks:
    """Tasks by name; of each, a few words for people, details for logs, and the images that it is for.

    `order` says what a process of `crew` is told to make a layer. Without `fetch` all inputs are in the cache.
    """

    store: LayerStore
    cache: Cache
    crew: Crew
    order: Callable[[Job], Order]
    fetch: Fetch | None = None
    verify: bool = False
    table: dict[str, Task] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    users: dict[str, set[str]] = field(default_factory=dict)

    def image(self, name: str, call: Callable[[], Any], jobs: Sequence[Job], lock: Lock) -> None:
        """Add an image and what it needs of these layers, apart from what is there."""
        needs: set[str] = set()
        for job in jobs:
            if job.key not in self.table and self.store.get(job.key, verify=self.verify) is None:
                self._layer(job, lock)
            if job.key in self.table:
                needs |= {job.key, *self.table[job.key].needs} & self.table.keys()
        self._add(Task(name, IMAGE, call, frozenset(needs), _IMAGE_WEIGHT), f"image {name}")
        for task in (name, *needs):
            self.users[task].add(name)

    def _layer(self, job: Job, lock: Lock) -> None:
        needs = {*job.below}
        missing = [item for item in (*job.inputs.items, *job.native) if not self.cache.item(item).is_file()]
        if self.fetch is not None and missing:
            name = f"fetch {job.key}"
            needs.add(name)
            self._add(
                Task(name, FETCH, partial(self.fetch, lock, missing), weight=job.size * _FETCHED),
                f"inputs of {job.words}",
                "fetched: " + ", ".join(sorted(f"{item.name} {item.version}" for item in missing)),
            )
        call = partial(self.crew.do, self.order(job))
        self._add(Task(job.key, LAYER, call, frozenset(needs), job.size, job.memory), f"layer {job.words}")

    def _add(self, task: Task, words: str, details: str = "") -> None:
        self.table[task.name] = task
        self.words[task.name] = words
        self.details[task.name] = details
        self.users[task.name] = set()
