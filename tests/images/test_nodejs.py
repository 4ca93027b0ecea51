"""What is special to Node.js: ES modules and NODE_PATH, callbacks, the SDK."""

from __future__ import annotations

import json

import pytest
from stage import DURATION, IMAGES, ROOT, Loaded

from imagemill.engine import containers
from imagemill.engine.runner import Completed
from imagemill.plan import Image

NODE = [image for image in IMAGES if image.runtime.family == "nodejs"]
RUN = [image for image in NODE if image.variant == "run"]
FUNCTIONS = ROOT / "tests" / "images" / "functions" / "nodejs"
MOUNTS = [containers.Mount(FUNCTIONS, "/var/task"), containers.Mount(FUNCTIONS / "opt", "/opt")]

pytestmark = pytest.mark.engine


def label(image: Image) -> str:
    return image.tags[-1]


def major(image: Image) -> int:
    return int(image.runtime.major)


def call(
    runner: containers.Runner, name: str, handler: str, mounts: list[containers.Mount], **options: str
) -> Completed:
    return runner.run(name, args=[handler, '{"n": 1}'], mounts=mounts, env=options, network="none", timeout=DURATION)


@pytest.mark.parametrize("image", [image for image in RUN if major(image) >= 18], ids=label)
@pytest.mark.parametrize(("handler", "result"), [("modern.layer", "from a layer"), ("modern.sdk", "function")])
def test_import_finds_what_node_path_has(
    image: Image, handler: str, result: str, runner: containers.Runner, loaded: Loaded
) -> None:
    done = call(runner, loaded(image), handler, MOUNTS)
    assert json.loads(done.stdout.splitlines()[-1]) == result, done.stderr


CALLBACKS = {
    "answers": ({"n": 1}, ""),
    "done": ({"n": 1}, ""),
    "succeeds": ({"n": 1}, ""),
    "neverAnswers": (None, ""),
    "waits": ("answered", "fired"),
    "answersAtOnce": ("answered", ""),
}


@pytest.mark.parametrize("image", [image for image in RUN if major(image) < 24], ids=label)
@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_answer(image: Image, name: str, runner: containers.Runner, loaded: Loaded) -> None:
    result, logged = CALLBACKS[name]
    done = call(runner, loaded(image), f"nested/deeper/callbacks.{name}", MOUNTS)
    assert json.loads(done.stdout.splitlines()[-1]) == result, done.stderr
    if name == "waits" and major(image) in (10, 12):
        return  # AWS's client 1 answers at once, and waits before it asks for the next event
    assert (b"fired" in done.stderr) == bool(logged)


@pytest.mark.parametrize("image", [image for image in RUN if major(image) < 24], ids=label)
@pytest.mark.parametrize("name", ["fails", "failsByContext"])
def test_callbacks_fail(image: Image, name: str, runner: containers.Runner, loaded: Loaded) -> None:
    done = call(runner, loaded(image), f"nested/deeper/callbacks.{name}", MOUNTS)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (done.code, answer["errorType"], answer["errorMessage"]) == (1, "TypeError", "no"), done.stderr


@pytest.mark.parametrize("image", [image for image in RUN if 10 <= major(image) < 24], ids=label)
def test_handlers_may_be_properties_of_properties(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    done = call(runner, loaded(image), "nested/deeper/callbacks.inside.object.handler", MOUNTS)
    assert json.loads(done.stdout.splitlines()[-1]) == {"n": 1}, done.stderr


@pytest.mark.parametrize("image", [image for image in RUN if major(image) >= 14], ids=label)
def test_logs_are_json_where_the_function_wants_it(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    done = call(runner, loaded(image), "cases.log", MOUNTS, AWS_LAMBDA_LOG_FORMAT="JSON")
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith(b'{"timestamp"')]
    assert [(line["level"], line["message"]) for line in lines] == [("INFO", "noted")], done.stderr
