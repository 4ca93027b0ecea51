"""The init with real clients: what a function, an extension and a caller see of it, in the images themselves."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from stage import DURATION, FUNCTIONS, HTTP_PORT, Loaded, Open, call, fetch, first, said, started

from imagemill.engine import containers
from imagemill.plan import Image

pytestmark = pytest.mark.engine

EXTENSIONS = containers.Mount(FUNCTIONS / "extensions", "/opt/extensions")
PYTHON, NODE = first("run", "python"), first("run", "nodejs")

# --- response streaming -----------------------------------------------------------------------------------


def test_a_streamed_response_comes_in_pieces(stay_open: Open) -> None:
    with stay_open(NODE, "app.streamed") as (_, _, client):
        events = list(client.invoke_with_response_stream(FunctionName="f", Payload=b"{}")["EventStream"])
    pieces = [event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event]
    assert b"".join(pieces) == b"one two three"
    assert len(pieces) > 1
    assert "ErrorCode" not in events[-1]["InvokeComplete"]


def test_a_stream_that_breaks_off_tells_why(stay_open: Open) -> None:
    with stay_open(NODE, "app.broken") as (_, _, client):
        events = list(client.invoke_with_response_stream(FunctionName="f", Payload=b"{}")["EventStream"])
    assert events[0]["PayloadChunk"]["Payload"] == b"half"
    end = events[-1]["InvokeComplete"]
    assert end["ErrorCode"]
    assert "the other half is missing" in end["ErrorDetails"]


def test_a_streaming_function_url(stay_open: Open) -> None:
    env = {"DOCKER_LAMBDA_HTTP_EVENT": "function-url", "DOCKER_LAMBDA_HTTP_STREAMING": "1"}
    with stay_open(NODE, "app.page", ports=(HTTP_PORT,), **env) as (_, urls, _):
        status, header, body = fetch(urls[HTTP_PORT] + "/tea")
    assert (status, body) == (418, b"<p>/tea</p><p>end</p>")
    assert (header["content-type"], header["x-teapot"]) == ("text/html", "yes")
    assert header.get_all("set-cookie") == ["a=1", "b=2"]


# --- HTTP events ------------------------------------------------------------------------------------------


SERVICES: dict[str, dict[str, Any]] = {
    "apigw-v1": {"resource": "/{proxy+}", "httpMethod": "POST", "path": "/a%20b", "queryStringParameters": {"q": "1"}},
    "apigw-v2": {"version": "2.0", "rawPath": "/a b", "rawQueryString": "q=1", "queryStringParameters": {"q": "1"}},
    "function-url": {"version": "2.0", "rawPath": "/a%20b", "rawQueryString": "q=1"},
    "alb": {"httpMethod": "POST", "path": "/a%20b", "queryStringParameters": {"q": "1"}},
}


@pytest.mark.parametrize("service", SERVICES)
def test_a_request_becomes_an_event(service: str, stay_open: Open) -> None:
    with stay_open(PYTHON, "app.rest", ports=(HTTP_PORT,), DOCKER_LAMBDA_HTTP_EVENT=service) as (_, urls, _):
        header = {"Content-Type": "application/octet-stream", "X-Mine": "yes"}
        status, answered, body = fetch(urls[HTTP_PORT] + "/a%20b?q=1", data=b"\x00\xff", headers=header, method="POST")
    assert (status, answered["content-type"]) == (200, "application/json")
    event = json.loads(body)
    expected = SERVICES[service]
    assert {key: event[key] for key in expected} == expected
    assert {name.lower(): value for name, value in event["headers"].items()}["x-mine"] == "yes"
    if service != "apigw-v1":
        assert (event["body"], event["isBase64Encoded"]) == ("AP8=", True)


def test_a_malformed_answer_is_a_bad_gateway(stay_open: Open) -> None:
    with stay_open(PYTHON, "app.malformed", ports=(HTTP_PORT,), DOCKER_LAMBDA_HTTP_EVENT="apigw-v1") as (box, urls, _):
        status, _, body = fetch(urls[HTTP_PORT] + "/")
        said(box, "is malformed")
    assert (status, json.loads(body)) == (502, {"message": "Internal server error"})


# --- extensions -------------------------------------------------------------------------------------------


def test_an_external_extension_follows_the_function(stay_open: Open) -> None:
    task = containers.Mount(FUNCTIONS / "python", "/var/task")
    with stay_open(PYTHON, "app.log", options={"mounts": [task, EXTENSIONS]}) as (container, _, client):
        answer = client.invoke(FunctionName="f", Payload=b"{}")
        request_id = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
        assert answer["Payload"].read() == b"null"
        said(container, "probe: telemetry platform.report success")
        container.stop(5)
        assert container.wait() == 0
        text = said(container, "probe: SHUTDOWN")
    for line in (
        "EXTENSION\tName: probe\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
        "TELEMETRY\tName: probe\tState: Subscribed\tTypes: [Platform, Function]",
        "probe: subscribed 200",
        f"probe: INVOKE {request_id}",
        "probe: telemetry platform.start",
        "probe: telemetry platform.runtimeDone success",
        "probe: SHUTDOWN spindown",
    ):
        assert line in text, f"{line!r} is not in:\n{text}"
    assert re.search(r"probe: telemetry function \[INFO\].*noted", text), text


def test_an_extension_inside_the_runtime(stay_open: Open) -> None:
    with stay_open(PYTHON, "app.counted") as (_, _, client):
        assert [call(client) for _ in range(3)] == [True] * 3


# --- concurrency ------------------------------------------------------------------------------------------


def test_environments_work_side_by_side(stay_open: Open) -> None:
    with (
        stay_open(PYTHON, "app.slow", DOCKER_LAMBDA_CONCURRENCY="3") as (_, _, client),
        ThreadPoolExecutor(6) as pool,
    ):
        pids = list(pool.map(lambda _: call(client, {"seconds": 0.5}), range(6)))
    assert len(set(pids)) == 3


def test_a_queue_has_one_environment_and_throttling_none_to_wait_for(stay_open: Open) -> None:
    with stay_open(PYTHON, "app.slow") as (_, _, client), ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(lambda _: call(client, {"seconds": 0.1}), range(3)))) == 1
    with (
        stay_open(PYTHON, "app.slow", DOCKER_LAMBDA_THROTTLE="1") as (_, _, client),
        ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(call, client, {"seconds": 2})
        time.sleep(1)
        with pytest.raises(client.exceptions.TooManyRequestsException):
            call(client, {"seconds": 0})
        running.result()


# --- limits and ends --------------------------------------------------------------------------------------


def test_a_timeout_ends_the_runtime_and_the_next_call_has_a_new_one(stay_open: Open) -> None:
    with stay_open(PYTHON, "app.slow", AWS_LAMBDA_FUNCTION_TIMEOUT="1") as (_, _, client):
        before = call(client, {"seconds": 0})
        assert call(client, {"seconds": 60})["errorType"] == "Sandbox.Timedout"
        assert call(client, {"seconds": 0}) != before


@pytest.mark.parametrize(("image", "status"), [(PYTHON, 42), (NODE, 7)], ids=["python", "nodejs"])
def test_an_exit_is_told_at_once(image: Image, status: int, stay_open: Open) -> None:
    with stay_open(image, "app.leave") as (_, _, client):
        error = call(client, {"leave": True})
        assert error["errorType"] == "Runtime.ExitError"
        assert f"exit status {status}" in error["errorMessage"]
        assert call(client, {}) == "still here"


def test_the_memory_limit_ends_a_hog(stay_open: Open) -> None:
    env = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "DOCKER_LAMBDA_ENFORCE_MEMORY": "1"}
    with stay_open(PYTHON, "app.hog", **env) as (_, _, client):
        assert call(client, {"megabytes": 10}) == 10 << 20
        assert call(client, {"megabytes": 500})["errorType"] == "Runtime.ExitError"
        assert call(client, {"megabytes": 10}) == 10 << 20


def test_a_running_call_ends_before_the_container_does(stay_open: Open) -> None:
    with stay_open(PYTHON, "app.slow") as (container, _, client), ThreadPoolExecutor(1) as pool:
        call(client, {"seconds": 0})
        running = pool.submit(call, client, {"seconds": 1})
        time.sleep(0.4)
        container.stop(10)
        assert isinstance(running.result(), int)
        assert container.wait() == 0


def test_an_event_that_fails_is_tried_again(stay_open: Open) -> None:
    with stay_open(PYTHON, "app.fail", DOCKER_LAMBDA_RETRY_DELAYS="0.1,0.1") as (container, _, client):
        answer = client.invoke(FunctionName="f", Payload=b"{}", InvocationType="Event")
        assert answer["StatusCode"] == 202
        text = said(container, "EVENT RequestId")
    assert re.search(r"EVENT RequestId: \S+\tAttempts: 3\tStatus: failed\tResult: .*not today", text), text


# --- logs and files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", [PYTHON, NODE], ids=["python", "nodejs"])
def test_json_logs(image: Image, stay_open: Open) -> None:
    with stay_open(image, "app.log", AWS_LAMBDA_LOG_FORMAT="JSON") as (container, _, client):
        assert call(client, {}) is None
        text = said(container, "platform.report")
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    platform = [line for line in lines if str(line.get("type", "")).startswith("platform.")]
    assert [line["type"] for line in platform] == ["platform.start", "platform.report"]
    [noted] = [line for line in lines if line.get("message") == "noted"]
    assert noted["level"] == "INFO"
    assert noted["requestId" if "requestId" in noted else "AWSRequestId"] == platform[0]["record"]["requestId"]


@pytest.mark.parametrize("poll", ["", "1"], ids=["told by the file system", "polled"])
def test_changed_code_is_picked_up(poll: str, stay_open: Open, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    code = tmp_path / "app.py"
    code.write_text("def handler(event, context): return 'old'")
    mounts = [containers.Mount(tmp_path, "/var/task")]
    env = {"DOCKER_LAMBDA_WATCH": "1", "DOCKER_LAMBDA_WATCH_POLL": poll}
    with stay_open(PYTHON, "app.handler", options={"mounts": mounts}, **env) as (container, _, client):
        assert call(client) == "old"
        code.write_text("def handler(event, context): return 'new'")
        said(container, "Handler/layer file changed, restarting bootstrap...")
        assert call(client) == "new"


# --- how other tools drive images -------------------------------------------------------------------------


def test_as_moto_runs_it(runner: containers.Runner, loaded: Loaded) -> None:
    """moto: `docker run IMAGE handler event` with the function's variables, the last line of stdout is the result."""
    done = runner.run(
        loaded(PYTHON),
        args=["app.echo", '{"a": [1, "é"]}'],
        env={
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "3", "AWS_LAMBDA_FUNCTION_NAME": "mine", "AWS_REGION": "eu-west-1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_HANDLER": "app.echo", "_HANDLER": "app.echo",
        },
        mounts=[containers.Mount(FUNCTIONS / "python", "/var/task")],
        timeout=DURATION,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"a": [1, "é"]}
    assert b"Memory Size: 128 MB" in done.stderr


def test_as_sam_runs_it(runner: containers.Runner, loaded: Loaded) -> None:
    """SAM CLI: the emulator's path as entrypoint, the bootstrap and the handler after it, port 8080."""
    with started(
        runner,
        loaded(first("serve", "python")),
        [8080],
        entrypoint="/var/rapid/aws-lambda-rie",
        args=["--log-level", "error", "/var/runtime/bootstrap", "app.echo"],
        env={"AWS_LAMBDA_FUNCTION_HANDLER": "app.echo", "AWS_LAMBDA_FUNCTION_TIMEOUT": "3"},
        mounts=[containers.Mount(FUNCTIONS / "python", "/var/task")],
    ) as (_, urls):
        url = urls[8080] + "/2015-03-31/functions/function/invocations"
        status, _, body = fetch(url, data=b'{"a": 1}', method="POST")
    assert (status, json.loads(body)) == (200, {"a": 1})
