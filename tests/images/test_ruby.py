"""What is special to Ruby: its place, handlers in namespaces, ways to fail, logs, the SDK, gems that are compiled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from stage import DURATION, IMAGES, ROOT, Loaded

from imagemill.engine import containers
from imagemill.plan import Image

RUN = [image for image in IMAGES if image.runtime.family == "ruby" and image.variant == "run"]
FUNCTIONS = ROOT / "tests" / "images" / "functions" / "ruby"
COMPILE = """
gem build -q native.gemspec && mkdir -p vendor/cache && mv native-1.0.0.gem vendor/cache &&
bundle config set --local path vendor/bundle && bundle install --local
"""

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
def test_what_can_be_read_is_answered_as_bytes(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    assert call(runner, loaded(image), "cases.bytes").stdout.rstrip(b"\n").endswith(b"\xff\xfe")


@pytest.mark.parametrize("image", RUN, ids=label)
def test_logs_may_be_json(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    done = call(runner, loaded(image), "cases.log", AWS_LAMBDA_LOG_FORMAT="JSON")
    [row] = [json.loads(line) for line in done.stderr.splitlines() if b'"message":"noted"' in line]
    assert row["level"] == "INFO"
    assert row.keys() == {"timestamp", "level", "requestId", "message"}


@pytest.mark.parametrize("image", [image for image in RUN if image.runtime.name != "ruby2.7"], ids=label)
def test_the_sdk_is_there(image: Image, runner: containers.Runner, loaded: Loaded) -> None:
    assert call(runner, loaded(image), "cases.sdk").stdout.splitlines()[-1] == b"[]"


@pytest.mark.parametrize("image", RUN, ids=label)
def test_a_gem_compiled_in_the_build_image_runs(
    image: Image, runner: containers.Runner, loaded: Loaded, tmp_path: Path
) -> None:
    build = next(one for one in IMAGES if one.runtime == image.runtime and one.variant == "build")
    task = tmp_path / "task"
    shutil.copytree(FUNCTIONS / "native", task)
    task.parent.chmod(0o755)
    mounts = [containers.Mount(task, "/var/task", read_only=False)]
    built = runner.run(loaded(build), args=["sh", "-c", COMPILE], mounts=mounts, network="none", timeout=DURATION)
    assert built.code == 0, built.stderr
    done = call(runner, loaded(image), "app.handler", task)
    assert done.stdout.splitlines()[-1] == b"42", done.stderr
