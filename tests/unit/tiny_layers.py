"""Tiny layers in place of real ones, for tests of what stands around the making of layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagemill.assemble import Assembled
from imagemill.crew import Crew
from imagemill.factory import Factory
from imagemill.filetree import Entry
from imagemill.layers import Job, LayerStore, craft

EPOCH = 7


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each layer hold one file, with the words of its job, as old as EPOCH."""

    def assemble(self: LayerStore, job: Job, root: Path, cache: object, scratch: Path) -> Assembled:
        return Assembled({"name": Entry("file", content=job.words.encode(), mtime=EPOCH)}, [], EPOCH)

    monkeypatch.setattr(LayerStore, "_assemble", assemble)
    monkeypatch.setattr(Factory, "_crew", lambda self, size: Here())


class Here(Crew):
    """A crew that works in this process."""

    def __init__(self) -> None:
        super().__init__(0, craft)

    def do(self, job: object) -> object:
        return self._work(job)
