"""The client for .NET alone, without an engine: under the locked SDK's .NET, against a Runtime API of ours."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import dotnet_functions
import pytest
import runtime_api
from runtime_api import Event, Post, Served
from stage import FUNCTIONS, ROOT

from imagemill.assemble import csharp
from imagemill.platforms import native

CLIENT = ROOT / "build" / "bootstraps" / "dotnet"
SHARED = "cases::Cases.Shared::"

pytestmark = [
    pytest.mark.network,  # where downloads are not in the cache yet
    pytest.mark.skipif(native().arch != "amd64", reason="registries have .NET for amd64 alone"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """The command of the client, compiled as it is for images."""
    state, folder = ROOT / ".imagemill", tmp_path_factory.mktemp("client")
    dotnet_functions.compile_all(ROOT, state)
    compiler, net = dotnet_functions.toolbox(ROOT, state)
    (folder / "imagemill.dll").write_bytes(compiler.assembly("imagemill", csharp.sources(CLIENT), net))
    config = CLIENT / "imagemill.runtimeconfig.json"
    return [*compiler.host(), "exec", "--runtimeconfig", str(config), str(folder / "imagemill.dll")]


def serve(client: Sequence[str], handler: str, *events: Event) -> Served:
    environment = {
        "PATH": os.defpath, "LC_ALL": "C.UTF-8", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
        "LAMBDA_TASK_ROOT": str(FUNCTIONS / "dotnet" / "out" / "task"),
        "AWS_LAMBDA_FUNCTION_NAME": "test", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    }  # fmt: skip
    return runtime_api.serve([*client, handler], environment, events or [Event(b"{}")])


def only(served: Served) -> Post:
    assert len(served.posts) == 1, served
    return served.posts[0]


def test_events_are_answered_one_after_the_other(client: Sequence[str]) -> None:
    bodies = [b'{"a": [1, null, 2.5, true]}', '"\\u00e9ü€𝄞\\n"'.encode(), b"[]"]
    served = serve(client, f"{SHARED}Echo", *map(Event, bodies))
    assert [post.place for post in served.posts] == [f"invocation/id-{n}/response" for n in range(3)], served
    assert [post.json for post in served.posts] == list(map(json.loads, bodies))
    assert (served.connections, served.code) == (1, None)


ITEM = {"Name": "a", "Price": 1.5, "Day": 2, "When": None, "Parts": [{"Price": 3}, {"price": 4}], "Stock": {"b": 5}}


@pytest.mark.parametrize(
    ("method", "event", "answer"),
    [
        ("Streams", b"\xff\x00\xfe", b"\xff\x00\xfe"),
        ("Bytes", b"null", b"\xff\xfe"),
        ("Shout", b'"abc"', b'"ABC!"'),
        ("Nothing", b"{}", b"null"),
        ("Unicode", b'"!"', json.dumps("äöü €𝄞!", ensure_ascii=False).encode()),
    ],
    ids=["a stream", "bytes", "a serializer of its own", "a task without a result", "text"],
)
def test_what_methods_take_and_give(client: Sequence[str], method: str, event: bytes, answer: bytes) -> None:
    post = only(serve(client, SHARED + method, Event(event)))
    assert post.place == "invocation/id-0/response"
    assert post.body == answer or post.json == json.loads(answer)


def test_objects_are_bound_by_their_members(client: Sequence[str]) -> None:
    found = only(serve(client, f"{SHARED}Pojo", Event(json.dumps(ITEM).encode()))).json
    assert (found["Name"], found["Price"], found["Stock"]) == ("a!", 1.5, {"b": 5, "more": 7})


@pytest.mark.parametrize(("method", "frame"), [("Fail", "Cases.Shared.Fail"), ("FailLater", "Cases.Shared")])
def test_errors_are_told_and_the_client_goes_on(client: Sequence[str], method: str, frame: str) -> None:
    served = serve(client, SHARED + method, Event(b"{}"), Event(b"{}"))
    assert [post.place for post in served.posts] == ["invocation/id-0/error", "invocation/id-1/error"], served
    post = served.posts[0]
    assert (post.kind, post.json["errorType"], post.json["errorMessage"]) == ("Custom", "Custom", "no")
    assert any(frame in line for line in post.json["stackTrace"]), post.json
    assert b"Cases.Custom: no" in served.said


def test_an_event_that_is_no_json_is_an_error(client: Sequence[str]) -> None:
    served = serve(client, f"{SHARED}Leave", Event(b"{"), Event(b"{}"))
    assert [post.place for post in served.posts] == ["invocation/id-0/error", "invocation/id-1/response"], served
    assert served.posts[1].json == "still here"


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("cases", "LambdaValidationException", "Invalid lambda function handler: 'cases'."),
        ("nowhere::A::B", "LambdaValidationException", "Could not find the specified handler assembly"),
        ("cases::Nowhere::B", "LambdaValidationException", "Unable to load type 'Nowhere' from assembly 'cases'."),
        (f"{SHARED}Nowhere", "LambdaValidationException", "Unable to find method 'Nowhere'"),
        ("broken::Broken.Function::Handle", "InvalidOperationException", "no init"),
    ],
)
def test_what_cannot_be_loaded_is_told_and_ends(client: Sequence[str], handler: str, kind: str, message: str) -> None:
    served = serve(client, handler)
    post = only(served)
    assert (post.place, post.kind, post.json["errorType"], served.code) == ("init/error", kind, kind, 1)
    assert post.json["errorMessage"].startswith(message)


def test_the_context_says_what_the_headers_say(client: Sequence[str]) -> None:
    headers = {
        "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "someone"}',
        "Lambda-Runtime-Client-Context": '{"custom": {"a": "b"}}',
    }
    served = serve(client, f"{SHARED}Context", Event(b"{}", headers), Event(b"{}"))
    first, second = (post.json for post in served.posts)
    assert (first["request_id"], first["arn"], first["memory"]) == ("id-0", runtime_api.ARN, 128)
    assert (first["identity"], first["client_context"]) == ("someone", {"a": "b"})
    assert (second["request_id"], second["identity"], second["client_context"]) == ("id-1", "", None)
    assert 5_000 < second["remaining"] <= 10_000
