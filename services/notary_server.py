"""A notary on this machine: notary-server and notary-signer, with PostgreSQL, which keeps what they know over restarts.

The signer holds the keys of snapshots and timestamps, encrypted with a passphrase that is in its environment alone.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import notary_settings
from certificates import authority, issue
from processes import Service, free_port
from tokens import ISSUER, SERVICE, Tokens

SCHEMA = Path(__file__).with_name("notary") / "schema.sql"
_DATABASE = "notary"


@dataclass
class Notary:
    """A notary that runs: `server` is what clients talk to, over TLS."""

    postgres: Service
    signer: Service
    server: Service
    name: str = "127.0.0.1"

    @property
    def address(self) -> str:
        """For DOCKER_CONTENT_TRUST_SERVER."""
        return f"https://{self.name}:{self.server.port}"

    @property
    def ended(self) -> list[Service]:
        """What runs no more, though nobody stopped it."""
        return [service for service in (self.postgres, self.signer, self.server) if not service.running]

    def start(self) -> None:
        """Start all three, in their order."""
        for service in (self.postgres, self.signer, self.server):
            service.start()

    def kill(self) -> None:
        """End all three as a machine that loses its power would."""
        for service in (self.server, self.signer, self.postgres):
            service.kill()

    def stop(self) -> None:
        """Have all three end."""
        for service in (self.server, self.signer, self.postgres):
            service.stop()


def postgres_programs() -> Path | None:
    """Where PostgreSQL's initdb and postgres are: Debian keeps them in a folder a version. None where they are not."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if folders:
        return folders[-1]
    found = shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def notary(
    programs: Path,
    folder: Path,
    ca: Path,
    tokens: Tokens | None = None,
    *,
    listen: str = "127.0.0.1",
    port: int = 0,
    name: str = "127.0.0.1",
) -> Iterator[Notary]:
    """A notary of the `programs` in a folder, keeping all in `folder`, with certificates of the authority in `ca`.

    It takes connections to the address `listen` and a `port` (0 is a free one), and clients reach it by `name`; what
    it is made of stays on this machine. `folder` must be reachable for the user postgres where root starts this:
    PostgreSQL does not run as root.
    """
    folder.mkdir(parents=True, exist_ok=True)
    database = _postgres(folder)
    pair = issue(ca, "notary", *dict.fromkeys(("127.0.0.1", "localhost", name)))
    trusted = str(authority(ca).certificate)
    passphrase = folder / "signer.passphrase"
    if not passphrase.exists():
        passphrase.touch(0o600)
        passphrase.write_text(secrets.token_hex(16), encoding="ascii")
    signer_port, server_port = free_port(), port or free_port()
    url = _address(folder, database.port)
    files = (str(pair.certificate), str(pair.key), trusted)
    signer = notary_settings.signer(f"127.0.0.1:{signer_port}", *files, url)
    server = notary_settings.server(f"{listen}:{server_port}", *files, url, "127.0.0.1", signer_port)
    if tokens is not None:
        server = notary_settings.guarded(server, tokens.address, SERVICE, ISSUER, str(tokens.pair.certificate))
    found = Notary(
        database,
        _go(programs, folder, "notary-signer", signer_port, signer, NOTARY_SIGNER_ALIAS1=passphrase.read_text()),
        _go(programs, folder, "notary-server", server_port, server),
        name,
    )
    try:
        found.start()
        yield found
    finally:
        found.stop()


def _go(programs: Path, folder: Path, name: str, port: int, settings: object, **environ: str) -> Service:
    """One of notary's two servers. Its settings have the database's password in them."""
    file = folder / f"{name}.json"
    file.touch(0o600)
    file.write_text(json.dumps(settings), encoding="utf-8")
    return Service(name, [str(programs / name), "-config", str(file)], port, folder / f"{name}.log", environ)


def _postgres(folder: Path) -> Service:
    """PostgreSQL with a database for notary; it is made when it is not there."""
    programs = postgres_programs()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    user = "postgres" if os.geteuid() == 0 else None
    data, port = folder / "postgres", free_port()
    service = Service(
        "postgres",
        [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""],
        port,
        folder / "postgres.log",
        {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        user,
        signal.SIGINT,  # PostgreSQL's fast shutdown: it does not wait for clients
        [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)],
    )
    if data.exists():
        return service
    password = folder / "postgres.password"
    password.touch(0o600)
    password.write_text(secrets.token_hex(16), encoding="ascii")
    data.mkdir(mode=0o700)
    if user is not None:
        shutil.chown(data, user)
        shutil.chown(password, user)
    _run([str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "scram-sha-256",
          "--pwfile", str(password), "--no-sync", "-E", "UTF8", "--locale", "C.UTF-8"], user)  # fmt: skip
    service.start()
    try:
        psql = str(programs / "psql")
        address = _address(folder, port)
        _run([psql, "-q", address.replace(f"/{_DATABASE}?", "/postgres?"), "-c", f"CREATE DATABASE {_DATABASE}"], None)
        _run([psql, "-q", "-v", "ON_ERROR_STOP=1", address, "-f", str(SCHEMA)], None)
    finally:
        service.stop()
    return service


def _address(folder: Path, port: int) -> str:
    password = (folder / "postgres.password").read_text(encoding="ascii")
    return notary_settings.database("postgres", password, "127.0.0.1", port, _DATABASE)


def _run(argv: list[str], user: str | None) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, user=user, cwd="/", check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(argv[0]).name}: {done.stderr.strip()}")
