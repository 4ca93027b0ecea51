"""Tiny layers in place of real ones, for tests of what stands around the making of layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagemill.assemble import Assembled
from imagemill.factory import Factory
from imagemill.filetree import Entry
from imagemill.layers import Job, LayerStore

EPOCH = 7


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each layer hold one file, with the words of its job, as old as EPOCH."""

    def assemble(self: LayerStore, job: Job, root: Path, cache: object, scratch: Path) -> Assembled:
        return Assembled({"name": Entry("file", content=job.words.encode(), mtime=EPOCH)}, [], EPOCH)

    def run(self: Factory, jobs: list[Job]) -> dict[str, float]:
        for job in jobs:
            self._store.make(job, root=self._paths.root, cache=self._paths.cache)
        return {job.key: 1.0 for job in jobs}

    monkeypatch.setattr(LayerStore, "_assemble", assemble)
    monkeypatch.setattr(Factory, "_run", run)
