"""A Runtime API that hands out given events, and keeps what a client makes of them: clients alone, without an image."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PLACE = "/2018-06-01/runtime/"
SECONDS = 60
ARN = "arn:aws:lambda:us-east-1:012345678912:function:test"


@dataclass(frozen=True)
class Event:
    """An event, and the headers that it comes with beside those of every event."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Post:
    """What a client sent: the place below the Runtime API's, the error's type in the headers, the content."""

    place: str
    kind: str | None
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Served:
    """A client's posts, the connections that it made for all, what it wrote, and its exit status if it ended."""

    posts: Sequence[Post]
    connections: int
    said: bytes
    code: int | None


def serve(command: Sequence[str], environment: Mapping[str, str], events: Sequence[Event]) -> Served:
    """Run a client until it has answered every event, or has ended. Events have the ids id-0, id-1, …"""
    posts: queue.Queue[Post] = queue.Queue()
    with _api(events, posts) as (address, connections):
        client = subprocess.Popen(
            command,
            env={**environment, "AWS_LAMBDA_RUNTIME_API": address},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        found: list[Post] = []
        until = time.monotonic() + SECONDS
        while len(found) < len(events) and time.monotonic() < until:
            try:
                found.append(posts.get(timeout=0.05))
            except queue.Empty:
                if client.poll() is not None and posts.empty():
                    break
        code = client.wait(SECONDS) if found and found[-1].place == "init/error" else client.poll()
        client.kill()
        said, _ = client.communicate()
    return Served(found, len(connections), said, code)


@contextmanager
def _api(events: Sequence[Event], posts: queue.Queue[Post]) -> Iterator[tuple[str, set[Any]]]:
    waiting = iter(enumerate(events))
    ended = threading.Event()
    connections: set[Any] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            connections.add(self.client_address)
            number, event = next(waiting, (-1, Event(b"")))
            if number < 0:
                ended.wait()
                self.close_connection = True
                return
            headers = {
                "Lambda-Runtime-Aws-Request-Id": f"id-{number}",
                "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 10_000),
                "Lambda-Runtime-Invoked-Function-Arn": ARN,
                "Lambda-Runtime-Trace-Id": f"Root={number}",
                **event.headers,
            }
            self._answer(200, event.body, headers)

        def do_POST(self) -> None:
            connections.add(self.client_address)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kind = self.headers["Lambda-Runtime-Function-Error-Type"]
            self._answer(202, b'{"status":"OK"}', {})
            posts.put(Post(self.path.removeprefix(PLACE), kind, body))

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", connections
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
