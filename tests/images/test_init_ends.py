"""The init's surroundings and ends: users, signals, failures, events without a caller, and its records of them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from stage import DURATION, FUNCTIONS, Loaded, Open, call, first, said

from imagemill.engine import containers
from imagemill.plan import Image

pytestmark = pytest.mark.engine

PYTHON, NODE = first("run", "python"), first("run", "nodejs")
LANGUAGES = pytest.mark.parametrize("image", [PYTHON, NODE], ids=["python", "nodejs"])

# As `docker run --init` has it: another program is process 1, and hands the signals on.
CHILD = """/var/rapid/init --bootstrap /var/runtime/bootstrap "$0" & init=$!
trap 'kill -TERM $init' TERM
wait $init; wait $init"""


@LANGUAGES
def test_any_user_a_read_only_root_and_another_process_1(image: Image, stay_open: Open) -> None:
    options = {"user": "4242:4242", "read_only": True, "entrypoint": "/bin/sh", "args": ["-c", CHILD, "ends.who"]}
    with stay_open(image, "ends.who", options=options, AWS_LAMBDA_FUNCTION_NAME="mine") as (container, _, client):
        for _ in range(2):
            user, parent, name = call(client)
            assert (user, name) == (4242, "mine")
            assert parent > 1
        container.stop(10)
        assert container.wait() == 0, container.logs()


def test_orphans_are_reaped(stay_open: Open) -> None:
    with stay_open(PYTHON, "ends.orphans") as (_, _, client):
        assert call(client) == "gone"


LOADING = {"throw": ("RangeError", "not today"), "exit": ("Runtime.ExitError", "exit status 3")}


@pytest.mark.parametrize("how", LOADING)
def test_a_module_that_does_not_load(how: str, runner: containers.Runner, loaded: Loaded) -> None:
    done = runner.run(
        loaded(NODE), args=["ends.who"], env={"AT_LOAD": how}, network="none", timeout=DURATION,
        mounts=[containers.Mount(FUNCTIONS / "nodejs", "/var/task")],
    )  # fmt: skip
    error = json.loads(done.stdout.splitlines()[-1])
    kind, message = LOADING[how]
    assert (done.code, error["errorType"]) == (1, kind)
    assert message in error["errorMessage"]


BOOTSTRAPS = {
    "none": (None, "exitError", "Couldn't find valid bootstrap(s)"),
    "not executable": ("#!/bin/sh\n", "Runtime.InvalidEntrypoint", "permission denied"),
    "no interpreter": ("#!/none\n", "Runtime.InvalidEntrypoint", "no such file"),
    "ends": ("#!/bin/sh\nexit 4\n", "Runtime.ExitError", "exit status 4"),
    "ends well": ("#!/bin/sh\n", "Runtime.ExitError", "without providing a reason"),
    "is killed": ("#!/bin/sh\nkill -9 $$\n", "Runtime.ExitError", "signal: killed"),
}


@pytest.mark.parametrize("name", BOOTSTRAPS)
def test_a_bootstrap_of_ones_own(name: str, runner: containers.Runner, loaded: Loaded, tmp_path: Path) -> None:
    text, kind, message = BOOTSTRAPS[name]
    tmp_path.chmod(0o755)
    if text is not None:
        bootstrap = tmp_path / "bootstrap"
        bootstrap.write_text(text)
        bootstrap.chmod(0o644 if name == "not executable" else 0o755)
    mounts = [containers.Mount(tmp_path, "/var/task")]
    done = runner.run(loaded(first("run", "provided")), mounts=mounts, network="none", timeout=DURATION)
    error = json.loads(done.stdout.splitlines()[-1])
    assert (done.code, error["errorType"]) == (1, kind), done
    assert message in error["errorMessage"]


def test_an_extension_that_ends_takes_the_function_with_it(
    runner: containers.Runner, loaded: Loaded, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    extension = tmp_path / "quitter"
    extension.write_text("#!/bin/sh\nexit 5\n")
    extension.chmod(0o755)
    done = runner.run(
        loaded(PYTHON), args=["ends.who"], network="none", timeout=DURATION,
        mounts=[
            containers.Mount(FUNCTIONS / "python", "/var/task"), containers.Mount(tmp_path, "/opt/extensions"),
        ],
    )  # fmt: skip
    error = json.loads(done.stdout.splitlines()[-1])
    assert (done.code, error["errorType"]) == (1, "Extension.Crash"), done


def test_a_loop_without_end_is_ended(stay_open: Open) -> None:
    with stay_open(NODE, "ends.spin", AWS_LAMBDA_FUNCTION_TIMEOUT="1") as (_, _, client):
        assert call(client, {"spin": True})["errorType"] == "Sandbox.Timedout"
        assert call(client, {}) == "ended"


def test_what_the_sdk_says_reaches_the_function(stay_open: Open) -> None:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:mine"
    context = base64.b64encode(b'{"custom": {"a": "b"}}').decode()
    with stay_open(PYTHON, "ends.told", AWS_LAMBDA_FUNCTION_INVOKED_ARN=arn) as (_, _, client):
        asked: dict[str, Any] = {"FunctionName": f"{arn}:live", "Payload": b'{"n": 1}'}
        assert client.invoke(**asked, InvocationType="DryRun")["StatusCode"] == 204
        answer = client.invoke(**asked, Qualifier="live", LogType="Tail", ClientContext=context)
        assert answer["ExecutedVersion"] == "$LATEST"
        assert base64.b64decode(answer["LogResult"]) == b"told {'n': 1}\n"
        assert json.load(answer["Payload"]) == {"arn": arn, "custom": {"a": "b"}, "event": {"n": 1}}


def test_events_without_a_caller_are_never_lost_silently(stay_open: Open) -> None:
    """One that succeeds, and one whose next try would come after the container's end."""
    with stay_open(PYTHON, "ends.fail", DOCKER_LAMBDA_RETRY_DELAYS="60,120") as (container, _, client):
        client.invoke(FunctionName="f", Payload=b"{}", InvocationType="Event")
        said(container, r"EVENT RequestId: \S+\tAttempts: 1\tStatus: success\tResult: null")
        client.invoke(FunctionName="f", Payload=b'{"fail": true}', InvocationType="Event")
        said(container, r"(?s)(REPORT.*){2}")
        container.stop(10)
        assert container.wait() == 0
        said(container, r"EVENT RequestId: \S+\tAttempts: 1\tStatus: [^\n]*not today")


# --- records ----------------------------------------------------------------------------------------------

LEVELS = {
    "WARN": ([], ["platform.report"]),
    "INFO": (["platform.start", "platform.report"], ["platform.start", "platform.report"]),
}


@LANGUAGES
@pytest.mark.parametrize("level", LEVELS)
def test_levels_of_json_records(level: str, image: Image, stay_open: Open) -> None:
    env = {
        "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "ERROR", "DOCKER_LAMBDA_SYSTEM_LOG_LEVEL": level,
    }  # fmt: skip
    with stay_open(image, "ends.fail", **env) as (container, _, client):
        call(client, {})
        call(client, {"fail": True})
        container.stop(10)
        logs = container.logs()
    records = [json.loads(line) for line in (logs.stdout + logs.stderr).splitlines() if line.startswith(b"{")]
    types = [record["type"] for record in records if "type" in record]
    fine, failed = LEVELS[level]
    assert [kind for kind in types if kind in ("platform.start", "platform.report")] == fine + failed
    [error] = [record for record in records if record.get("level") == "ERROR"]
    assert "not today" in json.dumps(error)
    assert not any(record.get("level") in ("DEBUG", "INFO") for record in records), records
