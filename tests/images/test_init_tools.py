"""The images as SAM CLI and serverless-offline start them: their own command lines, requests and patience."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pytest
from stage import DURATION, FUNCTIONS, Loaded, fetch, first, said, started

from imagemill.engine import containers
from imagemill.plan import Image

pytestmark = pytest.mark.engine

ROUTE = "/2015-03-31/functions/function/invocations"
# aws-sam-cli 1.170: samcli/local/lambdafn/env_vars.py
SAM = {
    "AWS_SAM_LOCAL": "true", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_FUNCTION_TIMEOUT": "5",
    "AWS_LAMBDA_FUNCTION_HANDLER": "ends.who", "AWS_LAMBDA_FUNCTION_NAME": "mine",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_LOG_GROUP_NAME": "aws/lambda/mine", "AWS_LAMBDA_LOG_STREAM_NAME": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_ACCOUNT_ID": "123456789012",
    "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "defaultkey", "AWS_SECRET_ACCESS_KEY": "defaultsecret",
}  # fmt: skip
# samcli/local/docker/container.py waits for a log line like this
SAM_REPORT = r"(.*\s)?REPORT RequestId:\s.+ Duration:\s.+\sMemory Size:\s.+\sMax Memory Used:\s.+"
SAM_STOP = 3  # seconds, same file


@dataclass(frozen=True)
class Start:
    """What SAM has behind `/var/rapid/aws-lambda-rie --log-level error`."""

    image: Image
    args: tuple[str, ...] = ()


RUN_ENTRYPOINT = ("/var/rapid/init", "--bootstrap", "/var/runtime/bootstrap", "--enable-msg-logs")
PYTHON = first("serve", "python")
STARTS = {
    "a folder, python": Start(PYTHON),
    "a folder, nodejs": Start(first("serve", "nodejs")),
    "a folder, in the run image": Start(first("run", "python")),
    # The entrypoint and the command of the function's own image.
    "an image": Start(PYTHON, ("/lambda-entrypoint.sh", "ends.who")),
    "an image from the run image": Start(first("run", "nodejs"), (*RUN_ENTRYPOINT, "ends.who")),
    # samcli/local/docker/lambda_debug_settings.py
    "debugged, python": Start(PYTHON, (f"/var/lang/bin/{PYTHON.runtime.name}", "/var/runtime/bootstrap.py")),
    "debugged, nodejs": Start(
        first("serve", "nodejs"), ("/var/lang/bin/node", "--no-lazy", "--expose-gc", "/var/runtime/index.mjs")
    ),
}


@pytest.mark.parametrize("name", STARTS)
def test_sam_local_invoke(name: str, runner: containers.Runner, loaded: Loaded) -> None:
    start = STARTS[name]
    with started(
        runner, loaded(start.image), [8080], entrypoint="/var/rapid/aws-lambda-rie",
        args=["--log-level", "error", *start.args], env=SAM,
        mounts=[containers.Mount(FUNCTIONS / start.image.runtime.family, "/var/task")],
    ) as (container, urls):  # fmt: skip
        header = {"Content-Type": "application/json"}
        status, _, body = fetch(urls[8080] + ROUTE, data=b"{}", headers=header, method="POST")
        assert status == 200
        assert json.loads(body)[2] == "mine"
        assert re.search(SAM_REPORT, said(container, "REPORT"))
        container.stop(SAM_STOP)
        assert container.wait() == 0


def test_sam_puts_its_own_emulator_into_the_image(runner: containers.Runner, loaded: Loaded) -> None:
    """The steps of the Dockerfile in samcli/local/docker/lambda_image.py, as the image's own user."""
    script = """set -eu
    : > /var/rapid/aws-lambda-rie-x86_64
    mv /var/rapid/aws-lambda-rie-x86_64 /var/rapid/aws-lambda-rie && chmod +x /var/rapid/aws-lambda-rie
    mkdir /tmp/layer1 && cp -rf /tmp/layer1/. /opt/ && rm -rf /tmp/layer1
    """
    for family in ("python", "nodejs", "provided"):
        done = runner.run(
            loaded(first("serve", family)), entrypoint="/bin/sh", args=["-c", script], network="none", timeout=DURATION
        )
        assert done.code == 0, done.stderr


@pytest.mark.parametrize("variant", ["run", "serve"])
def test_serverless_offline(variant: str, runner: containers.Runner, loaded: Loaded) -> None:
    """src/lambda/handler-runner/docker-runner/DockerContainer.js: it waits for these words, then calls port 8080."""
    with started(
        runner, loaded(first(variant, "nodejs")), [8080], args=["ends.who"],
        env={"DOCKER_LAMBDA_STAY_OPEN": "1", "DOCKER_LAMBDA_WATCH": "1"},
        mounts=[containers.Mount(FUNCTIONS / "nodejs", "/var/task")],
    ) as (container, urls):  # fmt: skip
        said(container, re.escape("(cwd=/var/task, handler=)"))
        status, _, body = fetch(urls[8080] + ROUTE, data=b"{}", method="POST")
        assert (status, len(json.loads(body))) == (200, 3)
