"""Built images in containers: run by their digests, loaded where the engine has none of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from test_conform_command import NAME, built

from imagemill import contained
from imagemill.dist import Dist
from imagemill.engine.containers import ContainerTimeout, identities
from imagemill.engine.runner import Completed
from imagemill.errors import EngineError
from imagemill.platforms import native


class Engine:
    """Stands for an engine that has images by digests and names, and counts what it is asked."""

    name = "engine"

    def __init__(self, *has: str) -> None:
        self.images = set(has)
        self.asked: list[str] = []
        self.fault: EngineError | None = None

    def has(self, wanted: Mapping[str, Collection[str]]) -> set[str]:
        self.asked.append("has")
        return wanted.keys() & self.images

    def load(self, images: Mapping[Path, Sequence[str]]) -> None:
        self.asked.append("load")
        for names in images.values():
            self.images.update(names)

    def tidy(self) -> None:
        """Nothing is left over."""

    def run(self, image: str, **_: Any) -> Completed:
        self.asked.append(f"run {image}")
        if self.fault:
            raise self.fault
        if image not in self.images:
            raise EngineError(f"{image}: image not known")
        return Completed(b"42", b"", 0)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    return built(tmp_path_factory.mktemp("built"))


def run(dist: Dist, engine: Any, times: int = 1) -> list[bytes]:
    image = contained.built(dist, engine, dist.read()[NAME], native())

    def once(_: int) -> bytes:
        return image(["id"], entrypoint=None, env={}, task_dir=None, timeout=1, hardened=False).stdout

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(once, range(times)))


def test_an_image_that_is_there_is_run_by_its_digest_and_nothing_else_is_asked(dist: Dist) -> None:
    digests = identities(dist.layout(NAME, native().arch))
    engine = Engine(*digests)
    assert run(dist, engine) == [b"42"]
    [asked] = engine.asked
    assert asked.removeprefix("run ") in digests


def test_one_that_is_not_there_is_loaded_once_and_run_by_its_name(dist: Dist) -> None:
    engine = Engine()
    assert run(dist, engine, times=3) == [b"42"] * 3
    assert engine.asked.count("load") == 1


@pytest.mark.parametrize(
    ("fault", "asked"),
    [(ContainerTimeout("too long", Completed(b"", b"", -1)), 1), (EngineError("no space left"), 2)],
    ids=["not done in time", "another fault"],
)
def test_a_container_that_does_not_end_is_not_started_again(dist: Dist, fault: EngineError, asked: int) -> None:
    engine = Engine()
    engine.fault = fault
    with pytest.raises(EngineError, match=str(fault.args[0])):
        run(dist, engine)
    assert len([one for one in engine.asked if one.startswith("run")]) == asked
