"""Docker as a judge of content trust: its command line, a daemon that stores nothing twice, and a plain file server."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import daemons
from certificates import Pair

PASSPHRASE = "passphrase of tests"


@dataclass(frozen=True)
class Docker:
    """A user of docker: what is in `config` is all that this one has seen before."""

    environ: Mapping[str, str]
    config: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The outcome of a command."""
        environ = {**self.environ, "DOCKER_CONFIG": str(self.config), "DOCKER_CONTENT_TRUST": "1"}
        return subprocess.run(["docker", *words], env=environ, capture_output=True, text=True, check=False)

    def trusted(self, name: str) -> dict[str, Any]:
        """What `docker trust inspect` says of a repository or tag."""
        done = self.run("trust", "inspect", name)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found[0]

    def tags(self, name: str) -> dict[str, tuple[str, list[str]]]:
        """The signed tags: digest, and who signed."""
        return {row["SignedTag"]: (row["Digest"], row["Signers"]) for row in self.trusted(name)["SignedTags"]}


def has_trust() -> str:
    """Why docker here cannot be asked; empty when it can."""
    if shutil.which("docker") is None:
        return "the docker command is not installed"
    help_text = subprocess.run(["docker", "trust", "--help"], capture_output=True, text=True, check=False)
    return "" if "inspect" in help_text.stdout else "this docker has no `docker trust`"


@contextmanager
def daemon() -> Iterator[str]:
    """A Docker daemon of our own, with neither bridge nor firewall rules; for DOCKER_HOST."""
    program = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None or os.geteuid() != 0:
        pytest.skip("dockerd is not installed, or this is not root, who alone can start one")
    with daemons.started(program, daemons.new_home(), os.environ) as environ:
        yield environ["DOCKER_HOST"]


@pytest.fixture(scope="session")
def host() -> Iterator[str]:
    """A daemon of our own, for DOCKER_HOST."""
    with daemon() as found:
        yield found


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def files_served(folder: Path, pair: Pair) -> Iterator[str]:
    """An HTTPS server of plain files, as there are many; its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
