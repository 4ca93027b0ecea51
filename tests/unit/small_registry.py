"""A registry on loopback, in memory, for tests: OCI's distribution protocol with the checks that real ones make.

It counts what it is asked, and `fault` decides of each request whether it goes wrong, and how.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import secrets
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LOGIN = "me:pa:ss"
READER = "reader:pass"
INDEX = "application/vnd.oci.image.index.v1+json"
_LISTS = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request: what is not set here goes well."""

    status: int = 0  # answered in place of the truth
    headers: Mapping[str, str] = field(default_factory=dict)  # of the answer, over the true ones
    body: bytes | None = None  # of the answer
    reset: str = ""  # the connection breaks: "before" the request, "during" its body or the answer's, "after" it
    seconds: float = 0  # to wait before the answer
    trickle: float = 0  # seconds between the bytes of the answer


@dataclass(frozen=True)
class Request:
    """One request: `number` counts from 0."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Repo:
    """What one repository has."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # digest -> media type, bytes
    tags: dict[str, str] = field(default_factory=dict)


class SmallRegistry:
    """A registry at `host`. `auth` is "", "basic" or "token"; `tls` makes it speak TLS."""

    def __init__(self, auth: str = "", *, referrers: bool = False, tls: ssl.SSLContext | None = None) -> None:
        self.auth = auth
        self.login = LOGIN  # who may do everything; READER may read
        self.refresh = ""  # an identity token that is as good as that login
        self.referrers = referrers
        self.mounts = True
        self.ranges = True
        self.page = 1000  # tags on a page, at most
        self.token_seconds = 300.0  # as tokens tell of themselves
        self.repos: dict[str, Repo] = {}
        self.requests: list[Request] = []
        self.fault: Callable[[Request], Fault | None] = lambda request: None
        self.tokens: dict[str, tuple[frozenset[str], float]] = {}  # token -> scopes, when it ends
        self.uploads: dict[str, bytes] = {}
        self.lock = threading.RLock()
        registry = self

        class Handler(_Handler):
            owner = registry

        self._server = _Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def repo(self, name: str) -> Repo:
        """The repository with a name, made when it is first asked for."""
        return self.repos.setdefault(name, Repo())

    def asked(self, method: str = "", part: str = "") -> list[str]:
        """`METHOD path` of the requests so far, those of a method and with a part in their path."""
        rows = [f"{one.method} {one.path}" for one in self.requests if method in ("", one.method)]
        return [row for row in rows if part in row]

    def expire(self) -> None:
        """End all tokens now."""
        self.tokens = {token: (scopes, 0.0) for token, (scopes, _) in self.tokens.items()}


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: clients that go away are what some tests are about."""


class _Broken(Exception):
    """The connection is to break here."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    owner: SmallRegistry

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (_Broken, ConnectionError, ssl.SSLError):
            self.close_connection = True
            if isinstance(self.connection, socket.socket):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST
            self.wfile = _Nowhere()  # type: ignore[assignment]
            self.connection.close()

    def _serve(self) -> None:
        with self.owner.lock:
            request = Request(len(self.owner.requests), self.command, self.path, dict(self.headers.items()))
            self.owner.requests.append(request)
        fault = self.owner.fault(request) or Fault()
        if fault.reset == "before":
            raise _Broken
        length = int(self.headers.get("Content-Length") or 0)
        if fault.reset == "during" and length:
            self.rfile.read(length // 2)
            raise _Broken
        body = self.rfile.read(length)
        if len(body) < length:
            raise _Broken
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        if fault.status:
            status, headers, payload = _error(fault.status, "FAULT")
        elif parts.path == "/token":
            status, headers, payload = self._token(urllib.parse.parse_qsl(parts.query or body.decode()))
        else:
            with self.owner.lock:
                status, headers, payload = self._truth(parts.path, query, body)
        if fault.reset == "after":
            raise _Broken
        time.sleep(fault.seconds)
        self._send(fault, status, {**headers, **fault.headers}, payload if fault.body is None else fault.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _send(self, fault: Fault, status: int, headers: Mapping[str, str], payload: bytes) -> None:
        lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers.items())]
        if "Content-Length" not in headers:
            lines.append(f"Content-Length: {len(payload)}")
        answer = "\r\n".join([*lines, "", ""]).encode() + (b"" if self.command == "HEAD" else payload)
        if fault.reset == "during":
            answer = answer[: len(answer) - max(1, len(payload) // 2)]
        for place in range(len(answer) if fault.trickle else 0):
            self.wfile.write(answer[place : place + 1])
            self.wfile.flush()
            time.sleep(fault.trickle)
        self.wfile.write(b"" if fault.trickle else answer)
        self.wfile.flush()
        if fault.reset == "during":
            self.close_connection = True

    # --- who may do what ----------------------------------------------------------------------------------

    def _token(self, query: list[tuple[str, str]]) -> tuple[int, dict[str, str], bytes]:
        """A token for as much of what is asked for as the login may do: everybody may read."""
        user, refresh = self._user(), dict(query).get("refresh_token", "")
        if refresh:
            user = self.owner.login if refresh == self.owner.refresh and self.command == "POST" else None
        if user is None:
            return 401, {}, b'{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}'
        may = {"pull", "push", "delete"} if user == self.owner.login else {"pull"}
        scopes = frozenset(
            f"{scope.rpartition(':')[0]}:{action}"
            for name, value in query
            if name == "scope"
            for scope in value.split(" ")
            for action in scope.rpartition(":")[2].split(",")
            if action in may
        )
        token = secrets.token_hex(8)
        self.owner.tokens[token] = scopes, time.monotonic() + 300
        name = "access_token" if refresh else "token"
        return 200, {}, json.dumps({name: token, "expires_in": self.owner.token_seconds}).encode()

    def _user(self) -> str | None:
        """The login that was sent; empty for none, None for a wrong one."""
        header = self.headers.get("Authorization", "")
        if not header.startswith("Basic "):
            return ""
        found = base64.b64decode(header.removeprefix("Basic ")).decode()
        return found if found in (self.owner.login, READER) else None

    def _refusal(self, scopes: list[str]) -> tuple[int, dict[str, str], bytes] | None:
        denied = b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
        if self.owner.auth == "basic":
            user = self._user()
            if user == READER and any(not scope.endswith(":pull") for scope in scopes):
                return 403, {}, b'{"errors":[{"code":"DENIED","message":"requested access is denied"}]}'
            return None if user else (401, {"WWW-Authenticate": 'Basic realm="here"'}, denied)
        if self.owner.auth == "token":
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            has, ends = self.owner.tokens.get(token, (frozenset[str](), 0.0))
            if ends < time.monotonic() or not set(scopes) <= has:
                wanted = f'Bearer realm="{self.owner.url}/token",service="small",scope="{" ".join(scopes)}"'
                return 401, {"WWW-Authenticate": wanted}, denied
        return None

    # --- the protocol -------------------------------------------------------------------------------------

    def _truth(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        words = path.removeprefix("/v2/").strip("/").split("/")
        if words == [""]:
            return self._refusal([]) or (200, {}, b"{}")
        for at in range(1, len(words)):
            if words[at] in ("blobs", "manifests", "tags", "referrers"):
                name, kind, rest = "/".join(words[:at]), words[at], words[at + 1 :]
                break
        else:
            return _error(404, "NAME_UNKNOWN")
        actions = {"GET": ["pull"], "HEAD": ["pull"], "DELETE": ["delete"]}.get(self.command, ["pull", "push"])
        refused = self._refusal([f"repository:{name}:{action}" for action in actions])
        if refused:
            return refused
        repo = self.owner.repo(name)
        if kind == "tags":
            return self._tags(name, repo, query)
        if kind == "referrers":
            return self._referrers(repo, rest[0], query)
        if kind == "manifests":
            return self._manifest(repo, rest[0], body)
        if rest[0] == "uploads":
            return self._upload(name, repo, rest[1:], query, body)
        if rest[0] not in repo.blobs:
            return _error(404, "BLOB_UNKNOWN")
        return self._ranged(repo.blobs[rest[0]], rest[0])

    def _ranged(self, data: bytes, digest: str) -> tuple[int, dict[str, str], bytes]:
        headers = {"Docker-Content-Digest": digest, "ETag": f'"{digest}"', "Content-Type": "application/octet-stream"}
        if "Range" in self.headers and self.owner.ranges:
            start = int(self.headers["Range"].removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            return 206, headers, data[start:]
        return 200, headers if self.command == "GET" else {**headers, "Content-Length": str(len(data))}, data

    def _upload(
        self, name: str, repo: Repo, rest: list[str], query: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if self.command == "POST":
            source = self.owner.repos.get(query.get("from", ""))
            mounted = query.get("mount", "")
            if self.owner.mounts and source is not None and mounted in source.blobs:
                if self.owner.auth == "token" and self._refusal([f"repository:{query['from']}:pull"]):
                    return _error(401, "UNAUTHORIZED")
                repo.blobs[mounted] = source.blobs[mounted]
                return self._made(name, repo, "blobs", mounted)
            upload = secrets.token_hex(8)
            self.owner.uploads[upload] = b""
            return 202, {"Location": f"/v2/{name}/blobs/uploads/{upload}?_state=s3cret"}, b""
        if not rest or rest[0] not in self.owner.uploads:
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        self.owner.uploads[rest[0]] += body
        if self.command == "PATCH":
            end = len(self.owner.uploads[rest[0]]) - 1
            return 202, {"Location": self.path, "Range": f"0-{end}"}, b""
        data = self.owner.uploads.pop(rest[0])
        if _digest(data) != query.get("digest"):
            return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        repo.blobs[query["digest"]] = data
        return self._made(name, repo, "blobs", query["digest"])

    def _made(self, name: str, repo: Repo, kind: str, digest: str) -> tuple[int, dict[str, str], bytes]:
        return 201, {"Location": f"/v2/{name}/{kind}/{digest}", "Docker-Content-Digest": digest}, b""

    def _manifest(self, repo: Repo, reference: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        digest = repo.tags.get(reference, reference)
        if self.command == "PUT":
            return self._put_manifest(repo, reference, body)
        if digest not in repo.manifests:
            return _error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, data = repo.manifests[digest]
        if self.command == "DELETE":
            if reference == digest:
                del repo.manifests[digest]
                repo.tags = {tag: one for tag, one in repo.tags.items() if one != digest}
            else:
                del repo.tags[reference]
            return 202, {}, b""
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest}
        return 200, headers if self.command == "GET" else {**headers, "Content-Length": str(len(data))}, data

    def _put_manifest(self, repo: Repo, reference: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        try:
            data = json.loads(body)
        except ValueError:
            return _error(400, "MANIFEST_INVALID", "not JSON")
        media_type = self.headers.get("Content-Type", "")
        if data.get("mediaType", media_type) != media_type or not media_type.startswith("application/vnd."):
            return _error(400, "MANIFEST_INVALID", "media type and Content-Type differ")
        digest = _digest(body)
        if ":" in reference and reference != digest:
            return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        if media_type in _LISTS:
            missing = [row["digest"] for row in data["manifests"] if row["digest"] not in repo.manifests]
        else:
            missing = [row["digest"] for row in (data["config"], *data["layers"]) if row["digest"] not in repo.blobs]
        if missing:
            return _error(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {missing[0]}")
        repo.manifests[digest] = media_type, body
        if ":" not in reference:
            repo.tags[reference] = digest
        status, headers, payload = self._made("", repo, "manifests", digest)
        if self.owner.referrers and data.get("subject"):
            headers["OCI-Subject"] = data["subject"]["digest"]
        return status, headers, payload

    def _tags(self, name: str, repo: Repo, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if not repo.manifests:
            return _error(404, "NAME_UNKNOWN", "repository name not known to registry")
        after = sorted(tag for tag in repo.tags if tag > query.get("last", ""))
        shown = after[: min(int(query.get("n", "1000")), self.owner.page)]
        headers = {}
        if len(shown) < len(after):
            headers["Link"] = f'</v2/{name}/tags/list?n={len(shown)}&last={shown[-1]}>; rel="next"'
        return 200, headers, json.dumps({"name": name, "tags": shown or None}).encode()

    def _referrers(self, repo: Repo, digest: str, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if not self.owner.referrers:
            return _error(404, "UNSUPPORTED", "page not found")
        rows = []
        for name, (media_type, data) in repo.manifests.items():
            found = json.loads(data)
            if (found.get("subject") or {}).get("digest") == digest:
                row = {"mediaType": media_type, "digest": name, "size": len(data)}
                kind = found.get("artifactType") or (found.get("config") or {}).get("mediaType", "")
                rows.append({**row, "artifactType": kind, "annotations": found.get("annotations") or {}})
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}  # whoever asks has to choose
        return 200, {"Content-Type": INDEX}, json.dumps(index).encode()


class _Nowhere:
    """Takes what a broken connection cannot."""

    closed = True

    def close(self) -> None:
        """Nothing to close."""


def _error(status: int, code: str, message: str = "") -> tuple[int, dict[str, str], bytes]:
    return status, {}, json.dumps({"errors": [{"code": code, "message": message or code.lower()}]}).encode()


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
