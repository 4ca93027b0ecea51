"""BuildKit over the Engine API, against a daemon that is a few lines of Python on a socket."""

from __future__ import annotations

import io
import json
import socketserver
import tarfile
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from imagemill import oci
from imagemill.engine import Context, docker
from imagemill.errors import EngineError
from imagemill.filetree import Entry
from imagemill.oci import Blob
from imagemill.platforms import find

EPOCH = 1_757_664_000
ARM = find("arm64")


class Daemon(socketserver.ThreadingUnixStreamServer):
    """Answers as Docker 20.10 does, and remembers what it was asked."""

    daemon_threads = True
    info: Mapping[str, Any] = {"DriverStatus": [["Backing Filesystem", "extfs"]]}
    built: Mapping[str, list[str]] = {}
    context: bytes = b""
    removed: list[str]
    build_answer: tuple[int, list[dict[str, Any]]] = (200, [{"stream": "ok"}])


class Handler(BaseHTTPRequestHandler):
    """The requests that a build makes."""

    protocol_version = "HTTP/1.1"
    server: Daemon

    def do_GET(self) -> None:
        if self.path.endswith("/version"):
            self.answer(json.dumps({"ApiVersion": "1.41"}).encode())
        elif self.path.endswith("/info"):
            self.answer(json.dumps(self.server.info).encode())
        elif self.path.endswith("/get"):
            self.answer(image())
        else:
            self.answer(b"{}", 404)

    def do_POST(self) -> None:
        self.server.built = parse_qs(urlsplit(self.path).query)
        self.server.context = self.rfile.read(int(self.headers["Content-Length"]))
        status, messages = self.server.build_answer
        self.answer(b"".join(json.dumps(message).encode() + b"\r\n" for message in messages), status)

    def do_DELETE(self) -> None:
        self.server.removed.append(self.path.rpartition("/")[2].partition("?")[0])
        self.answer(b"[]")

    def answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def image() -> bytes:
    """What the daemon saves."""
    out = io.BytesIO()
    config = {"architecture": "arm64", "os": "linux", "config": {"Cmd": ["x"]}, "rootfs": {"diff_ids": []}}
    files = {
        "manifest.json": [{"Config": "c.json", "RepoTags": ["x"], "Layers": []}],
        "c.json": config,
    }
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    path = tmp_path_factory.mktemp("d") / "s"
    with Daemon(str(path), Handler) as server:
        server.removed = []
        thread = threading.Thread(target=partial(server.serve_forever, 0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def build(daemon: Daemon, tmp_path: Path, plugin: docker.Build | None = None) -> oci.Descriptor:
    tmp_path.mkdir(exist_ok=True)
    blob = tmp_path / "blob"
    blob.write_bytes(b"layer")
    context = Context(
        "FROM scratch\n",
        {"a-arm64.tar": Blob("sha256:0", "sha256:0", 5, blob)},
        {"sub/file": Entry("file", content=b"text")},
        {"FLAVOUR": "x"},
    )
    environ = {"DOCKER_HOST": f"unix://{daemon.server_address!s}"}
    return docker.build(
        context,
        ARM,
        layout=tmp_path / "out",
        name="t",
        epoch=EPOCH,
        scratch=tmp_path / "scratch",
        connect=partial(docker.client, environ),
        plugin=plugin,
    )


def test_build(daemon: Daemon, tmp_path: Path) -> None:
    found = build(daemon, tmp_path)
    assert found.platform == "linux/arm64"
    assert daemon.built["version"] == ["2"]
    assert daemon.built["platform"] == ["linux/arm64"]
    assert json.loads(daemon.built["buildargs"][0]) == {"SOURCE_DATE_EPOCH": str(EPOCH), "FLAVOUR": "x"}
    [name] = daemon.built["t"]
    assert daemon.removed == [name], "the daemon keeps no image"
    with tarfile.open(fileobj=io.BytesIO(daemon.context)) as tar:
        files = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}  # type: ignore[union-attr]
        assert {(entry.uid, entry.mode, entry.type) for entry in tar} == {
            (0, 0o644, tarfile.REGTYPE), (0, 0o755, tarfile.DIRTYPE)
        }  # fmt: skip
    assert files == {"Dockerfile": b"FROM scratch\n", "a-arm64.tar": b"layer", "sub/file": b"text"}
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, [{"stream": "x"}, {"error": "unknown instruction: NOPE"}]), "unknown instruction: NOPE"),
        ((200, [{"error": "failed to read downloaded context: no such host"}]), "install the buildx plugin"),
        ((400, [{"message": "no BuildKit here"}]), "no BuildKit here"),
    ],
    ids=["dockerfile", "store", "daemon"],
)
def test_failed_builds(answer: tuple[int, list[dict[str, Any]]], message: str, daemon: Daemon, tmp_path: Path) -> None:
    daemon.build_answer = answer
    with pytest.raises(EngineError, match=message):
        build(daemon, tmp_path)
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("status", "by_plugin"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], True),
        ([["Backing Filesystem", "extfs"]], False),
        (None, False),
    ],
    ids=["containerd", "classic", "nothing said"],
)
def test_the_plugin_builds_where_the_api_takes_no_context(
    status: Any, by_plugin: bool, daemon: Daemon, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    def plugin(*_: object, **options: Any) -> oci.Descriptor:
        asked.append(options)
        return oci.Descriptor("m", "d", 1, "linux/arm64")

    daemon.info = {"DriverStatus": status}
    assert build(daemon, tmp_path, plugin).platform == "linux/arm64"
    assert [options["layout"] for options in asked] == [tmp_path / "out"] * by_plugin
    assert bool(daemon.built) is not by_plugin
    daemon.built = {}
    assert build(daemon, tmp_path / "without").platform == "linux/arm64"
    assert daemon.built, "without a plugin the API is asked, which newer releases answer"


def test_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no Docker daemon answers") as caught:
        docker.client({"DOCKER_HOST": f"unix://{tmp_path}/nobody"})
    assert "--engine embedded" in caught.value.remedy


def test_the_context_of_the_command_line_is_honoured(daemon: Daemon, tmp_path: Path) -> None:
    command = tmp_path / "docker"
    command.write_text(f"#!/bin/sh\necho unix://{daemon.server_address!s}\n")
    command.chmod(0o755)
    docker.client({"PATH": str(tmp_path)}).close()
