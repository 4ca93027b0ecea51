"""What images are called when they are loaded into a local engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from imagemill import oci
from imagemill.dist import Artifact, Built, Dist
from imagemill.engine.containers import Runner
from imagemill.factory import Paths
from imagemill.mirrors import Mirrors
from imagemill.platforms import PLATFORMS, native
from imagemill.progress import Silent
from imagemill.workshop import Workshop


class _Engine:
    """Has what it was given, and nothing before."""

    name = "fake"

    def __init__(self) -> None:
        self.names: set[str] = set()

    def has(self, wanted: Mapping[str, Collection[str]]) -> set[str]:
        return self.names & wanted.keys()

    def load(self, images: Mapping[Path, Sequence[str]]) -> None:
        self.names |= {name for names in images.values() for name in names}

    def tidy(self) -> None: ...


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=str)
def test_each_platform_has_tags_and_the_own_one_has_the_short_ones_too(platform: Any, tmp_path: Path) -> None:
    dist = Dist(tmp_path / "dist")
    config: dict[str, object] = {"architecture": platform.arch, "os": "linux", "config": {}}
    made = oci.write_image(dist.layout("x-debian", platform.arch), config, [], "x")
    artifact = Artifact("x-debian", ("x-debian", "x"), "", 0, {str(platform): Built(made.digest, 0, "")}, "", "", "")
    workshop = Workshop(Paths(tmp_path, tmp_path), dist, Mirrors.discover({}), Silent(), {})
    engine = _Engine()
    loaded = workshop.load(cast(Runner, engine), [artifact], platform)
    own = {f"imagemill/lambda:{tag}-{platform.arch}" for tag in artifact.tags}
    short = {f"imagemill/lambda:{tag}" for tag in artifact.tags} if platform == native() else set()
    assert engine.names == set(loaded) == own | short
    assert workshop.load(cast(Runner, engine), [artifact], platform) == []
