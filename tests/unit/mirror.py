"""A package mirror on loopback, for tests: Debian's archive, a Python index and an npm registry in one."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import lzma
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagemill.lock import DebianPackage, NpmPackage, Wheel
from imagemill.mirrors import Mirrors

# what stands in for gpgv: unsigned text, checked by one word at its head
GPGV = """#!/bin/sh
while [ $# -gt 1 ]; do [ "$1" = --output ] && out=$2; shift; done
grep -q '^Signed: yes$' "$1" || { echo 'BAD signature' >&2; exit 1; }
cp "$1" "$out"
"""


class _HttpServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: clients that go away are what some tests are about."""


class Server:
    """Serves what is in `files` (path -> bytes), counts requests, and can be told to fail."""

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.faults: dict[str, list[int]] = {}  # path -> statuses to answer with before the truth
        self.cuts: dict[str, list[int]] = {}  # path -> bytes of the body after which connections break
        self.pauses: dict[str, float] = {}  # path -> seconds before each half of the body
        self.later: dict[str, str] = {}  # path -> Retry-After of its faults
        self.moved: dict[str, str] = {}  # path -> address to go to
        self.tokens: dict[str, str] = {}  # beginning of a path -> token that it wants
        self.logins: dict[str, str] = {}  # beginning of a path -> login (`user:password`) that it wants
        self.anonymous: set[str] = set()  # paths of which nobody can tell whether they changed
        self.heard: list[tuple[str, dict[str, str]]] = []  # path and headers of requests
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.requests.append(self.path)
                server.heard.append((self.path, {key.title(): value for key, value in self.headers.items()}))
                faults = server.faults.get(self.path, [])
                body = server.files.get(self.path)
                status = faults.pop(0) if faults else (200 if body is not None else 404)
                payload = body if status == 200 and body is not None else b""
                tag = f'"{hashlib.sha256(payload).hexdigest()}"'
                place = int(self.headers.get("Range", "bytes=0-")[6:-1])
                if place and self.headers.get("If-Range") == tag:
                    status, total, payload = 206, len(payload), payload[place:]
                wanted = next((token for head, token in server.tokens.items() if self.path.startswith(head)), "")
                refused = wanted and self.headers.get("Authorization") != f"Bearer {wanted}"
                login = next((one for head, one in server.logins.items() if self.path.startswith(head)), "")
                header = f"Basic {base64.b64encode(login.encode()).decode()}"
                turned_away = bool(login) and self.headers.get("Authorization") != header
                status, payload = (401, b"") if refused or turned_away else (status, payload)
                status = 302 if self.path in server.moved else status
                self.send_response(status)
                if refused:
                    self.send_header("WWW-Authenticate", f'Bearer realm="{server.url}/token",service="here"')
                if turned_away:
                    self.send_header("WWW-Authenticate", 'Basic realm="here"')
                if status >= 400 and self.path in server.later:
                    self.send_header("Retry-After", server.later[self.path])
                if status == 302:
                    self.send_header("Location", server.moved[self.path])
                if status == 206:
                    self.send_header("Content-Range", f"bytes {place}-{total - 1}/{total}")
                if self.path not in server.anonymous:
                    self.send_header("ETag", tag)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                cuts = server.cuts.get(self.path)
                if cuts:
                    self.wfile.write(payload[: cuts.pop(0)])
                    self.close_connection = True
                    return
                half = len(payload) // 2
                for part in (payload[:half], payload[half:]):
                    time.sleep(server.pauses.get(self.path, 0))
                    self.wfile.write(part)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = _HttpServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.keyring = folder / "keyring.gpg"
        self.keyring.write_bytes(b"keys")

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def mirrors(self, **settings: str) -> Mirrors:
        """The settings that make this the mirror of everything."""
        return Mirrors(
            {
                "IMAGEMILL_DEBIAN_MIRROR": f"{self.url}/debian",
                "IMAGEMILL_PYPI_INDEX": f"{self.url}/simple",
                "IMAGEMILL_NPM_REGISTRY": f"{self.url}/npm",
                "IMAGEMILL_DEBIAN_KEYRING": str(self.keyring),
                **settings,
            }
        )

    def publish(
        self, suite: str, stanzas: Mapping[str, list[dict[str, str]]], date: str, archive: str = "debian"
    ) -> None:
        """Write the indexes of a suite: architecture -> stanzas of its packages."""
        sums = ""
        for arch, rows in stanzas.items():
            text = "\n\n".join("\n".join(f"{key}: {value}" for key, value in row.items()) for row in rows) + "\n"
            packed = lzma.compress(text.encode())
            digest = hashlib.sha256(packed).hexdigest()
            sums += f" {digest} {len(packed)} main/binary-{arch}/Packages.xz\n"
            self.files[f"/{archive}/dists/{suite}/main/binary-{arch}/by-hash/SHA256/{digest}"] = packed
        release = f"Signed: yes\nSuite: {suite}\nDate: {date}\nSHA256:\n{sums}"
        self.files[f"/{archive}/dists/{suite}/InRelease"] = release.encode()

    def deb(
        self, name: str, version: str, *, arch: str = "amd64", source: str = "", archive: str = "debian", **fields: str
    ) -> dict[str, str]:
        """Put a package into the pool. Returns its stanza."""
        content = f"{name} {version} {arch}".encode()
        path = f"pool/{name}_{version}_{arch}.deb"
        self.files[f"/{archive}/{path}"] = content
        return {
            "Package": name,
            "Version": version,
            "Architecture": arch,
            **({"Source": source} if source else {}),
            **{key.replace("_", "-"): value for key, value in fields.items()},
            "Filename": path,
            "Size": str(len(content)),
            "SHA256": hashlib.sha256(content).hexdigest(),
        }

    def package(self, name: str, version: str = "1") -> DebianPackage:
        """A package in the pool, as a lock names it."""
        row = self.deb(name, version)
        return DebianPackage(
            name, version, "amd64", name, version, "debian", row["Filename"], int(row["Size"]), row["SHA256"]
        )

    def wheel(self, name: str, content: bytes = b"wheel", *, page: str = "json") -> Wheel:
        """A wheel on the index, whose page is JSON or HTML."""
        file = f"{name}-1-py3-none-any.whl"
        self.files[f"/files/{file}"] = content
        digest = hashlib.sha256(content).hexdigest()
        if page == "json":
            row = {"filename": file, "url": f"../../files/{file}", "hashes": {"sha256": digest}}
            self.files[f"/simple/{name}/"] = json.dumps({"files": [row]}).encode()
        else:
            link = f'<!doctype html><a href="../../files/{file}#sha256={digest}">{file}</a>'
            self.files[f"/simple/{name}/"] = link.encode()
        return Wheel(name, "1", file, digest)

    def npm(self, name: str, content: bytes = b"tarball") -> NpmPackage:
        """A tarball in the registry."""
        self.files[f"/npm/{name}/-/{name.rpartition('/')[2]}-1.0.0.tgz"] = content
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        return NpmPackage(f"node_modules/{name}", name, "1.0.0", integrity)
