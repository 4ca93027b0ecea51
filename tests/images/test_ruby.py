"""What is special to Ruby: its place, handlers in namespaces, ways to fail, logs, the SDK."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stage import DURATION, IMAGES, ROOT, Loaded

from imagemill.engine import containers
from imagemill.plan import Image

RUN = [image for image in IMAGES if image.runtime.family == "ruby" and image.variant == "run"]
FUNCTIONS = ROOT / "tests" / "images" / "functions" / "ruby"

pytestmark = pytest.mark.engine


def label(image: Image) -> str:
    return image.tags[-1]


def call(
    runner: containers.Runner, name: str, handler: str, task: Path = FUNCTIONS, **env: str
) -> containers.Completed:
    mounts = [containers.Mount(task, "/var/task")]
    return runner.run(name, args=[handler, '{"n": 1}'], mounts=mounts, env=env, network="none", timeout=DURATION)


@pytest.mark.parametrize("image", RUN, ids=label)
def test_ruby_lives_in_var_lang(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    script = "puts $LOAD_PATH, Gem.default_dir, Gem.ruby, RbConfig::CONFIG['arch']; require 'openssl'; require 'psych'"
    # without a variable that would help it
    done = runner.run(loaded(image), entrypoint="/usr/bin/env", args=["-i", "/var/lang/bin/ruby", "-e", script])
    lines = done.stdout.decode().splitlines()
    assert done.code == 0, done.stderr
    assert all(line.startswith("/var/lang/") for line in lines[:-1]), lines
    assert lines[-1] in ("x86_64-linux", "aarch64-linux")


@pytest.mark.parametrize("image", RUN, ids=label)
def test_handlers_may_be_in_namespaces(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    done = call(runner, loaded(image), "cases.Cases::Nested.handler")
    assert json.loads(done.stdout.splitlines()[-1]) == [{"n": 1}, "LambdaContext"], done.stderr


@pytest.mark.parametrize("image", RUN, ids=label)
def test_exit_is_an_error_of_the_function(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    done = call(runner, loaded(image), "cases.quit")
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (answer["errorType"], answer["errorMessage"]) == ("Function<SystemExit>", "exit"), done.stderr


@pytest.mark.parametrize("image", RUN, ids=label)
def test_logs_may_be_json(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    done = call(runner, loaded(image), "cases.log", AWS_LAMBDA_LOG_FORMAT="JSON")
    [row] = [json.loads(line) for line in done.stderr.splitlines() if b'"message":"noted"' in line]
    assert row["level"] == "INFO"
    assert row.keys() == {"timestamp", "level", "requestId", "message"}


@pytest.mark.parametrize("image", [image for image in RUN if image.runtime.name != "ruby2.7"], ids=label)
def test_the_sdk_is_there(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    assert call(runner, loaded(image), "cases.sdk").stdout.splitlines()[-1] == b"[]"
