"""services/notary/run.py: a notary of one's own as a stranger starts it, ends it, and starts it again."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from places import ROOT

from notary_server import postgres_programs
from processes import free_port

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(postgres_programs() is None, reason="PostgreSQL is not installed; tests/engines.sh installs it"),
]
GUN = "registry.example.org/acme/lambda"
RUN = [sys.executable, "services/notary/run.py"]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="imagemill-notary-") as found:
        Path(found).chmod(0o711)  # PostgreSQL runs as another user
        yield Path(found) / "notary"


@contextmanager
def running(folder: Path, judges: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """It, once it has said that it is ready, and what it said."""
    argv = [
        *RUN,
        "--folder",
        str(folder),
        "--port",
        str(port),
        "--tokens-port",
        str(free_port()),
        "--programs",
        str(judges),
    ]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout and process.stderr
    try:
        said = ""
        while "Backups" not in said:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said += line
        yield process, said
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()
        process.stderr.close()


def client(folder: Path, judges: Path, port: int, login: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The notary command, which knows nothing but the authority."""
    home = folder.parent / (login.partition(":")[0] or "nobody")
    home.mkdir(exist_ok=True)
    server = {"url": f"https://127.0.0.1:{port}", "root_ca": f"{folder}/ca/ca.crt"}
    (home / "client.json").write_text(json.dumps({"trust_dir": f"{home}/trust", "remote_server": server}))
    environ = {
        **os.environ,
        **{f"NOTARY_{role}_PASSPHRASE": "password" for role in ("ROOT", "TARGETS", "SNAPSHOT", "DELEGATION")},
        **({"NOTARY_AUTH": base64.b64encode(login.encode()).decode()} if login else {}),
    }
    argv = [str(judges / "notary"), "-c", str(home / "client.json"), *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)


def test_it_keeps_what_was_signed_over_a_restart_and_only_users_sign(folder: Path, judges: Path) -> None:
    port = free_port()
    with running(folder, judges, port) as (process, said):
        users = folder / "users"
        login = users.read_text().strip()
        assert users.stat().st_mode & 0o777 == 0o600
        assert re.search(rf"^export DOCKER_CONTENT_TRUST_SERVER=https://127\.0\.0\.1:{port}$", said, re.MULTILINE)
        assert f"{folder}/ca/ca.crt" in said and login.partition(":")[2] not in said
        made = client(folder, judges, port, login, "init", "-p", GUN)
        assert made.returncode == 0, made.stderr
        client(folder, judges, port, login, "addhash", "-p", GUN, "1", "7", "--sha256", "ab" * 32)
    assert process.returncode == 0
    with running(folder, judges, port):
        assert users.read_text().strip() == login
        assert "ab" * 32 in client(folder, judges, port, "", "list", GUN).stdout
        for other in ("", "publisher:wrong"):
            done = client(folder, judges, port, other, "delete", "--remote", GUN)
            assert done.returncode != 0, other
        assert "ab" * 32 in client(folder, judges, port, login, "list", GUN).stdout


def test_it_ends_when_a_part_of_it_does(folder: Path, judges: Path) -> None:
    with running(folder, judges, free_port()) as (process, _):
        os.kill(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        assert process.wait(60) == 1
        assert process.stderr and "postgres has ended by itself" in process.stderr.read()


def refused(folder: Path, judges: Path, *words: str) -> str:
    argv = [*RUN, "--folder", str(folder), "--programs", str(judges), *words]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    return done.stderr


def test_what_keeps_it_from_starting_is_said(folder: Path, judges: Path, tmp_path: Path) -> None:
    ports = ["--port", str(free_port()), "--tokens-port", str(free_port())]
    with socket.create_server(("127.0.0.1", 0)) as other:
        busy = str(other.getsockname()[1])
        assert f"port {busy} is in use" in refused(folder, judges, "--port", busy)
    assert "install them" in refused(folder, tmp_path, *ports)
    folder.mkdir()
    (folder / "users").write_text("me:password\n")
    (folder / "users").chmod(0o644)
    assert "can be read by others" in refused(folder, judges, *ports)
    (folder / "users").chmod(0o600)
    (folder / "users").write_text("# who signs\nme\n")
    assert "line 2: write it as name:password" in refused(folder, judges, *ports)


def test_help_says_what_it_needs() -> None:
    done = subprocess.run([*RUN, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "apt-get install notary postgresql" in done.stdout
