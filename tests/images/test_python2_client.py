"""The client for Python 2.7 alone, without an engine: under the locked interpreter, against a Runtime API of ours."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import runtime_api
from runtime_api import Event, Post, Served
from stage import ROOT

from imagemill import lock as locks
from imagemill.assemble import native
from imagemill.cache import Cache
from imagemill.fetch import Fetcher
from imagemill.mirrors import Mirrors
from imagemill.platforms import native as native_platform

CLIENT = ROOT / "build" / "bootstraps" / "python2"
NEEDED = re.compile(rf"usr/bin/python2\.7|usr/lib/python2\.7/.*|{native.LIBRARIES}")
MODULE = """# -*- coding: utf-8 -*-
import logging
import os

def echo(event, context):
    return event

def unwritable(event, context):
    return object()

def fails(event, context):
    raise {"bytes": ValueError("caf\\xe9 \\xff"), "text": ValueError(u"café"), "key": KeyError("k")}[event]

def told(event, context):
    client = context.client_context
    return [context.aws_request_id, context.invoked_function_arn, context.identity.cognito_identity_id,
            context.identity.cognito_identity_pool_id, client and [client.custom, client.env, client.client.app_title],
            os.environ["_X_AMZN_TRACE_ID"], 5000 < context.get_remaining_time_in_millis() <= 10000,
            context.function_name, context.memory_limit_in_mb]

def writes(event, context):
    print u"text: \\xe4"
    print "bytes: \\xff"
    logging.getLogger().warning("noted %s", u"\\xe4")
"""

pytestmark = pytest.mark.network  # where downloads are not in the cache yet


@pytest.fixture(scope="module")
def python() -> Sequence[str]:
    """The command of the locked interpreter of this machine's architecture."""
    lock, arch, state = locks.read(locks.path_of(ROOT, "debian-bullseye")), native_platform().arch, ROOT / ".imagemill"
    packages = [*lock.inputs("debian-bullseye", arch).debian, *lock.inputs("python2.7", arch).debian]
    cache = Cache(state / "cache")
    Fetcher(cache, Mirrors.discover(os.environ), lambda _: None).fetch(packages, lock.date)
    (state / "python").mkdir(parents=True, exist_ok=True)
    root = native.unpacked(packages, cache.item, state / "python", NEEDED)
    return native.command(root, root / "usr" / "bin" / "python2.7")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "broken.py").write_text("raise RuntimeError(u'\\xe9')\n")
    (tmp_path / "syntax.py").write_text("def handler(:\n")
    for folder in ("package", "folder"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "inner.py").write_text("def handler(event, context): return __name__\n")
    (tmp_path / "package" / "__init__.py").touch()
    return tmp_path


def serve(python: Sequence[str], task: Path, handler: str, *events: Event) -> Served:
    home = Path(python[-1]).parents[1]
    environment = {
        "PYTHONHOME": str(home), "PYTHONPATH": str(CLIENT), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8",
        "LAMBDA_TASK_ROOT": str(task), "_HANDLER": handler, "AWS_LAMBDA_FUNCTION_NAME": "test",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    }  # fmt: skip
    return runtime_api.serve([*python, "-S", str(CLIENT / "bootstrap.py")], environment, events or [Event(b"{}")])


def only(served: Served) -> Post:
    assert len(served.posts) == 1, served
    return served.posts[0]


def test_events_are_answered_one_after_the_other(python: Sequence[str], task: Path) -> None:
    bodies = [b'{"a": [1, null]}', '"\\u00e9ü€"'.encode(), b"%d" % 2**70]
    served = serve(python, task, "app.echo", *map(Event, bodies))
    assert [post.place for post in served.posts] == [f"invocation/id-{n}/response" for n in range(3)], served
    assert [post.json for post in served.posts] == list(map(json.loads, bodies))
    assert (served.connections, served.code) == (1, None)


@pytest.mark.parametrize(
    ("handler", "event", "kind", "message"),
    [
        ("app.echo", b"{", "Runtime.UnmarshalError", "Unable to unmarshal input: "),
        ("app.unwritable", b"{}", "Runtime.MarshalError", "Unable to marshal response: "),
        ("app.fails", b'"bytes"', "ValueError", "caf\ufffd \ufffd"),
        ("app.fails", b'"text"', "ValueError", "café"),
        ("app.fails", b'"key"', "KeyError", "'k'"),
    ],
    ids=["an event that is no JSON", "an answer that is no JSON", "bytes", "text", "a key"],
)
def test_errors_are_told_and_the_client_goes_on(
    python: Sequence[str], task: Path, handler: str, event: bytes, kind: str, message: str
) -> None:
    served = serve(python, task, handler, Event(event), Event(event))
    assert [post.place for post in served.posts] == ["invocation/id-0/error", "invocation/id-1/error"], served
    post = served.posts[0]
    assert (post.kind, post.json["errorType"]) == (kind, kind)
    assert post.json["errorMessage"].startswith(message)
    assert message.encode() in served.said
    assert [frame[2] for frame in post.json.get("stackTrace", [])] == (["fails"] if handler == "app.fails" else [])


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("app", "Runtime.MalformedHandlerName", "Bad handler 'app'"),
        ("nowhere.echo", "Runtime.ImportModuleError", "Unable to import module 'nowhere'"),
        ("app.nowhere", "Runtime.HandlerNotFound", "Handler 'nowhere' missing on module 'app'"),
        ("syntax.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'syntax'"),
        ("broken.handler", "RuntimeError", "é"),
    ],
)
def test_what_cannot_be_loaded_is_told_and_ends(
    python: Sequence[str], task: Path, handler: str, kind: str, message: str
) -> None:
    served = serve(python, task, handler)
    post = only(served)
    assert (post.place, post.kind, post.json["errorType"], served.code) == ("init/error", kind, kind, 1)
    assert post.json["errorMessage"].startswith(message)


@pytest.mark.parametrize(
    ("handler", "name"), [("package.inner.handler", "package.inner"), ("package/inner.handler", "package.inner"),
                          ("folder/inner.handler", "inner")],
)  # fmt: skip
def test_handlers_may_be_in_folders(python: Sequence[str], task: Path, handler: str, name: str) -> None:
    assert only(serve(python, task, handler)).json == name


def test_the_context_says_what_the_headers_say(python: Sequence[str], task: Path) -> None:
    identity = {"cognitoIdentityId": "someone", "cognitoIdentityPoolId": "somewhere"}
    client = {"custom": {"a": "b"}, "env": {"c": "d"}, "client": {"app_title": "title"}}
    headers = {
        "Lambda-Runtime-Cognito-Identity": json.dumps(identity),
        "Lambda-Runtime-Client-Context": json.dumps(client),
    }
    served = serve(python, task, "app.told", Event(b"{}", headers), Event(b"{}"))
    assert [post.json for post in served.posts] == [
        [
            "id-0",
            runtime_api.ARN,
            "someone",
            "somewhere",
            [{"a": "b"}, {"c": "d"}, "title"],
            "Root=0",
            True,
            "test",
            "128",
        ],
        ["id-1", runtime_api.ARN, None, None, None, "Root=1", True, "test", "128"],
    ]


def test_what_functions_write_comes_whole(python: Sequence[str], task: Path) -> None:
    served = serve(python, task, "app.writes")
    assert only(served).json is None
    lines = served.said.splitlines()
    assert lines[:2] == ["text: ä".encode(), b"bytes: \xff"]
    assert re.fullmatch(r"\[WARNING\]\t\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z\tid-0\tnoted ä".encode(), lines[2]), lines
