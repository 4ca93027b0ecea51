"""ECR's API on loopback, as LocalStack has it: moto behind HTTP, and logins that are good for a registry."""

from __future__ import annotations

import base64
import datetime
import json
import re
import secrets
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError
from moto import mock_aws

REGION = "eu-west-1"
ACTIONS = frozenset({"pull", "push"})


@dataclass
class Api:
    """The API at `address`. Each login that it gives ends the one before it; `users` are those of the registry."""

    address: str
    client: Any
    users: MutableMapping[str, tuple[str, frozenset[str]]]
    seconds: float = 12 * 3600
    logins: int = 0
    scopes: set[str] = field(default_factory=set)
    """Regions and services that requests were signed for."""

    def answer(self, action: str, words: dict[str, Any]) -> dict[str, Any]:
        """What moto says; ClientError where it refuses."""
        if action == "GetAuthorizationToken":
            return self._login()
        return dict(getattr(self.client, xform_name(action))(**words))

    def repositories(self) -> list[str]:
        """Those that were made."""
        return sorted(row["repositoryName"] for row in self.client.describe_repositories()["repositories"])

    def _login(self) -> dict[str, Any]:
        self.logins += 1
        password = secrets.token_hex(900)  # as long as those of AWS are
        self.users["AWS"] = password, ACTIONS
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.seconds)
        token = base64.b64encode(f"AWS:{password}".encode()).decode()
        return {"authorizationData": [{"authorizationToken": token, "expiresAt": ends}]}


@contextmanager
def serving(users: MutableMapping[str, tuple[str, frozenset[str]]]) -> Iterator[Api]:
    """The API on a free port of this machine, of an account in which nothing is."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            words = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            signed = re.search(r"Credential=[^/]+/\d+/([^/]+/[^/]+)/", self.headers.get("Authorization", ""))
            api.scopes.add(signed[1] if signed else "")
            try:
                status, data = 200, api.answer(self.headers["X-Amz-Target"].partition(".")[2], words)
            except ClientError as error:
                row = error.response["Error"]
                status, data = 400, {"__type": row["Code"], "message": row["Message"]}
            body = json.dumps(data, default=lambda value: value.timestamp()).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: logins are in no log."""

    with mock_aws():
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        api = Api(f"http://127.0.0.1:{server.server_port}", boto3.client("ecr", REGION), users)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
