"""What is special to .NET: the shapes of handlers, serializers, hashes by OpenSSL, and the SDK in the build images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from stage import DURATION, FUNCTIONS, IMAGES, ROOT, Loaded

from imagemill.engine import containers
from imagemill.plan import Image

pytestmark = pytest.mark.engine

TASK = FUNCTIONS / "dotnet" / "out" / "task"
ITEM = {"name": "box", "PRICE": 1.5, "Day": "Friday", "when": None, "parts": [{"price": 2}], "stock": {"a": 1}}
BOUND = {
    "Name": "box!",
    "Price": 1.5,
    "Day": 5,
    "When": None,
    "Parts": [{"Name": None, "Price": 2, "Day": 0, "When": None, "Parts": None, "Stock": None}],
    "Stock": {"a": 1, "more": 2},
}
SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of abc, FIPS 180-4
SHAPES = {
    "Streams": ({"a": [1, "é"]}, {"a": [1, "é"]}),
    "Pojo": (ITEM, BOUND),
    "Shout": ("hi", "HI!"),
    "Nothing": ({}, None),
    "Hash": ("abc", SHA256),
}
RUN = [image for image in IMAGES if (image.variant, image.runtime.family) == ("run", "dotnet")]
BUILD = [image for image in IMAGES if (image.variant, image.runtime.name) == ("build", "dotnetcore3.1")]


@pytest.mark.parametrize("method", SHAPES)
@pytest.mark.parametrize("image", RUN, ids=lambda image: image.runtime.name)
def test_shapes(image: Image, method: str, runner: containers.Runner, loaded: Loaded) -> None:
    event, expected = SHAPES[method]
    done = runner.run(
        loaded(image),
        args=[f"cases::Cases.Shared::{method}", json.dumps(event)],
        mounts=[containers.Mount(TASK, "/var/task")],
        network="none",
        timeout=DURATION,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == expected, done.stderr.decode()


@pytest.mark.parametrize("image", RUN, ids=lambda image: image.runtime.name)
def test_a_task_that_fails_gives_the_function_s_own_error(
    image: Image, runner: containers.Runner, loaded: Loaded
) -> None:
    done = runner.run(
        loaded(image),
        args=["cases::Cases.Shared::FailLater", "{}"],
        mounts=[containers.Mount(TASK, "/var/task")],
        network="none",
        timeout=DURATION,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (answer["errorType"], answer["errorMessage"]) == ("Custom", "no")
    assert any("FailLater" in line for line in answer["stackTrace"]), answer


@pytest.mark.parametrize("image", BUILD, ids=lambda image: image.runtime.name)
def test_the_example_is_published_without_a_network(
    image: Image, tmp_path: Path, runner: containers.Runner, loaded: Loaded
) -> None:
    task = tmp_path / "task"
    shutil.copytree(ROOT / "examples" / "dotnet", task, ignore=shutil.ignore_patterns("out", "obj"))
    done = runner.run(
        loaded(image),
        args=["dotnet", "publish", "-c", "Release", "-o", "out"],
        mounts=[containers.Mount(task, "/var/task", read_only=False)],
        network="none",
        timeout=3 * DURATION,
    )
    assert done.code == 0, (done.stdout + done.stderr).decode()
    assert (task / "out" / "example.dll").is_file()
    assert (task / "out" / "example.runtimeconfig.json").is_file()
