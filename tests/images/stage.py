"""The images of this checkout, and ways to run them."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore import UNSIGNED
from botocore.config import Config

from imagemill.dist import Artifact, Dist
from imagemill.engine import containers
from imagemill.load import load
from imagemill.manifest import Runtime
from imagemill.plan import Image, current, plan
from imagemill.platforms import PLATFORMS, Platform, native
from imagemill.workshop import Workshop, local_name

ROOT = Path(__file__).parents[2]


def planned() -> list[Image]:
    """The default set, and after it whatever of the rest is built: who takes the first gets a current one."""
    images = plan(load(ROOT))
    default = current(images, datetime.datetime.now(datetime.UTC).date())
    built = Dist(ROOT / "dist").read()
    return [*default, *(image for image in images if image not in default and image.name in built)]


IMAGES = planned()
FOREIGN = [platform for platform in PLATFORMS.values() if platform != native() and not platform.port]
DURATION = 60
FUNCTIONS = Path(__file__).parent / "functions"
HTTP_PORT = 8000

Open = Callable[..., Any]
Behaved = Callable[..., None]
"""Notes what became of a case: `behaved(image, case, status, reason)`."""


class Loaded:
    """Images by plan, loaded into the runner when first asked for."""

    def __init__(self, workshop: Workshop, runner: containers.Runner, artifacts: Mapping[str, Artifact]) -> None:
        self._workshop, self._runner, self._artifacts = workshop, runner, artifacts
        self._compiled: set[str] = set()

    def __call__(self, image: Image, platform: Platform | None = None) -> str:
        platform = platform or native()
        if obstacle := self._runner.obstacle(platform):
            if os.geteuid() == 0 and shutil.which("apt-get"):
                pytest.fail(obstacle)
            pytest.skip(obstacle)
        self._workshop.load(self._runner, [self._artifacts[image.name]], platform)
        if image.variant != "build" and image.runtime.family not in self._compiled:
            self._compiled.add(image.runtime.family)
            self._compile(image.runtime)
        return local_name(image.tags[-1], platform)

    def _compile(self, runtime: Runtime) -> None:
        """Make what is called from sources in `examples` and in `functions`, in a build image of the language."""
        example = ROOT / "examples" / runtime.example.directory
        cases = FUNCTIONS / runtime.family / "cases.yaml"
        table = yaml.safe_load(cases.read_text(encoding="utf-8")) if cases.exists() else {}
        for folder, command in ((example.parent, runtime.example.build), (cases.parent, table.get("build", ""))):
            if command:
                done = self._runner.run(
                    self(first("build", runtime.family)),
                    args=["sh", "-ec", command],
                    mounts=[containers.Mount(folder, "/var/task", read_only=False)],
                    env={"HOME": "/tmp"},
                    network="none",
                    timeout=5 * DURATION,
                )
                assert done.code == 0, f"{command}\n{done.stderr.decode(errors='replace')}"


def first(variant: str, family: str) -> Image:
    """An image of a language."""
    return next(image for image in IMAGES if (image.variant, image.runtime.family) == (variant, family))


@contextmanager
def listening(runner: containers.Runner, name: str, port: int, **options: Any) -> Iterator[str]:
    """A container in the background whose port answers; yields its URL."""
    with started(runner, name, [port], **options) as (_, urls):
        yield urls[port]


@contextmanager
def started(
    runner: containers.Runner, name: str, ports: list[int], **options: Any
) -> Iterator[tuple[containers.Container, dict[int, str]]]:
    """A container in the background whose first port answers; yields it, and the URL of each port."""
    with runner.start(name, publish=[f"127.0.0.1::{port}" for port in ports], **options) as container:
        urls = {port: "http://{}:{}".format(*container.address(port)) for port in ports}
        _await(urls[ports[0]], container)
        yield container, urls


def _await(url: str, container: containers.Container) -> None:
    # OPTIONS calls no function
    request = urllib.request.Request(url + "/2018-06-01/ping", method="OPTIONS")
    for _ in range(200):
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"nothing listens on {url}: {container.logs()}")


@contextmanager
def lambda_client(url: str) -> Iterator[Any]:
    """The AWS SDK, talking to an init."""
    config = Config(
        signature_version=UNSIGNED, read_timeout=DURATION, retries={"max_attempts": 0}, max_pool_connections=10
    )
    client = boto3.client("lambda", endpoint_url=url, region_name="us-east-1", config=config)
    try:
        yield client
    finally:
        client.close()


def call(client: Any, event: object = None, **more: str) -> Any:
    """The function's answer, or its error."""
    return json.load(client.invoke(FunctionName="f", Payload=json.dumps(event), **more)["Payload"])


def said(container: containers.Container, wanted: str, seconds: float = 10) -> str:
    """The container's output, once `wanted` (a pattern) is in it."""
    until = time.monotonic() + seconds
    while True:
        logs = container.logs()
        text = (logs.stdout + logs.stderr).decode()
        if re.search(wanted, text):
            return text
        assert time.monotonic() < until, f"{wanted!r} is not in:\n{text}"
        time.sleep(0.05)


def fetch(url: str, **how: Any) -> tuple[int, Message, bytes]:
    """An HTTP request, whatever its status."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **how), timeout=DURATION) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()
