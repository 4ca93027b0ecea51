"""HTTP events: what a function is told of real requests, and what clients get of its answers."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

import pytest
from stage import DURATION, HTTP_PORT, Open, first, said

pytestmark = pytest.mark.engine

PYTHON, NODE = first("run", "python"), first("run", "nodejs")
QUERY = "q=1&q=2&e=%20x"
FIELDS = [("Cookie", "a=1; b=2"), ("X-Many", "1"), ("X-Many", "2"), ("Content-Type", "application/x-mine")]
BODY = b"\x00\xff\x01"


@dataclass(frozen=True)
class Service:
    """What is said of the request, and what clients get of answers that are none."""

    event: dict[str, Any]
    headers: dict[str, str]
    inferred: tuple[int, object]
    failure: int = 502
    multi: bool = False


FORMAT_2 = {
    "version": "2.0", "rawPath": "/echo", "rawQueryString": QUERY,
    "queryStringParameters": {"q": "1,2", "e": " x"}, "cookies": ["a=1", "b=2"],
}  # fmt: skip
SERVICES = {
    "apigw-v1": Service(
        {
            "httpMethod": "POST", "path": "/echo", "pathParameters": {"proxy": "echo"},
            "queryStringParameters": {"q": "2", "e": " x"},
            "multiValueQueryStringParameters": {"q": ["1", "2"], "e": [" x"]},
        },
        {"Cookie": "a=1; b=2", "X-Many": "2", "Content-Type": "application/x-mine"},
        (502, {"message": "Internal server error"}), multi=True,
    ),
    "apigw-v2": Service(
        {**FORMAT_2, "routeKey": "$default"}, {"x-many": "1,2", "content-type": "application/x-mine"},
        (200, {"tea": "green"}), failure=500,
    ),
    "function-url": Service(FORMAT_2, {"x-many": "1,2", "content-type": "application/x-mine"}, (200, {"tea": "green"})),
    "alb": Service(
        {"httpMethod": "POST", "path": "/echo", "queryStringParameters": {"q": "2", "e": "%20x"}},
        {"cookie": "a=1; b=2", "x-many": "2", "content-type": "application/x-mine"}, (502, None),
    ),
}  # fmt: skip


def ask(url: str, path: str, method: str = "GET", body: bytes = b"") -> tuple[int, Message, bytes]:
    """A request with header fields that come twice."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=DURATION)
    try:
        connection.putrequest(method, path)
        for name, value in [*FIELDS, ("Content-Length", str(len(body)))]:
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", SERVICES)
def test_requests_and_answers(name: str, stay_open: Open) -> None:
    service = SERVICES[name]
    env = {"DOCKER_LAMBDA_HTTP_EVENT": name, "DOCKER_LAMBDA_HTTP_BINARY_TYPES": "application/x-mine"}
    with stay_open(PYTHON, "web.answer", ports=(HTTP_PORT,), **env) as (container, urls, _):
        url = urls[HTTP_PORT]

        status, _, body = ask(url, f"/echo?{QUERY}", "POST", BODY)
        assert status == 200
        event = json.loads(body)
        assert {key: event.get(key) for key in service.event} == service.event
        assert {key: event["headers"].get(key) for key in service.headers} == service.headers
        assert (event["body"], event["isBase64Encoded"]) == ("AP8B", True)
        if service.multi:
            assert event["multiValueHeaders"]["X-Many"] == ["1", "2"]
        if name in ("apigw-v2", "function-url"):
            assert "cookie" not in event["headers"]

        status, header, body = ask(url, "/binary")
        assert (status, header["content-type"], body) == (201, "image/x-mine", bytes(range(256)))

        if name != "alb":  # which takes several fields of a name in its other mode only: see below
            status, header, _ = ask(url, "/cookies")
            assert (status, header["location"]) == (302, "/")
            assert header.get_all("set-cookie") == ["a=1; Secure", "b=2"]

        status, _, body = ask(url, "/plain")
        expected, value = service.inferred
        assert status == expected
        assert value is None or json.loads(body) == value

        for path in ("/many", "/error", "/exit"):
            assert ask(url, path)[0] == service.failure, path
        assert ask(url, "/binary")[0] == 201
        said(container, "The function's answer to request .* is malformed")


def test_a_load_balancer_with_several_values(stay_open: Open) -> None:
    env = {"DOCKER_LAMBDA_HTTP_EVENT": "alb", "DOCKER_LAMBDA_HTTP_MULTI_VALUE": "1"}
    with stay_open(PYTHON, "web.answer", ports=(HTTP_PORT,), **env) as (_, urls, _):
        status, header, _ = ask(urls[HTTP_PORT], "/cookies")
        assert (status, header.get_all("set-cookie")) == (302, ["a=1; Secure", "b=2"])
        status, _, _ = ask(urls[HTTP_PORT], f"/echo?{QUERY}")
        assert status == 502  # its answer has `headers` alone


# --- streams ----------------------------------------------------------------------------------------------


def test_streams_by_both_ways(stay_open: Open) -> None:
    """One streaming handler, called by the SDK and by browsers."""
    env = {"DOCKER_LAMBDA_HTTP_EVENT": "function-url", "DOCKER_LAMBDA_HTTP_STREAMING": "1"}

    with stay_open(NODE, "stream.handler", ports=(HTTP_PORT,), **env) as (_, urls, client):

        def stream(way: str) -> tuple[list[bytes], dict[str, str]]:
            asked = client.invoke_with_response_stream(FunctionName="f", Payload=json.dumps({"way": way}))
            events = list(asked["EventStream"])
            *pieces, end = events
            return [piece["PayloadChunk"]["Payload"] for piece in pieces], end["InvokeComplete"]

        url = urls[HTTP_PORT]
        # The SDK has the head, eight zero bytes and the body; a browser has them apart.
        pieces, end = stream("page")
        head, body = b"".join(pieces).split(bytes(8))
        assert json.loads(head)["statusCode"] == 418
        assert (body, end.get("ErrorCode")) == (b"<p>tea</p><p>end</p>", None)
        status, header, body = ask(url, "/page")
        assert (status, header["x-teapot"], header["set-cookie"], body) == (418, "yes", "a=1", b"<p>tea</p><p>end</p>")

        # An error in mid-stream: told to the SDK, and not to be taken for an end by a browser.
        pieces, end = stream("half")
        assert pieces == [b"half"]
        assert "the other half is missing" in end["ErrorDetails"]
        with pytest.raises(http.client.IncompleteRead) as broken:
            ask(url, "/half")
        assert broken.value.partial == b"half"

        # An error before anything was said.
        pieces, end = stream("nothing")
        assert "nothing to say" in end["ErrorDetails"], (pieces, end)
        assert ask(url, "/nothing")[0] == 502

        # More than fits any buffer, and more than an answer that is not streamed may have.
        pieces, end = stream("large")
        assert sum(map(len, pieces)) == 8 << 20
        assert b"".join(pieces) == b"".join(bytes([n]) * (1 << 20) for n in range(8))
        assert len(ask(url, "/large")[2]) == 8 << 20
