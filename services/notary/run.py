#!/usr/bin/env python3
"""A notary of one's own, without containers: notary-server and notary-signer with PostgreSQL, until it is ended.

All that it knows is kept in one folder, so that it can be ended, started again and backed up: the database, keys of
snapshots and timestamps (encrypted), a certificate authority of its own, and who may sign.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from certificates import authority, issue
from notary_server import Notary, notary, postgres_programs
from processes import listens
from tokens import new_user, serving, users_of

PROGRAMS = ("notary-server", "notary-signer")
_SECONDS = 1.0  # between looks whether all still run


class Refused(click.ClickException):
    """What keeps it from starting, and what to do."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where all is kept; made if need be.",
)
@click.option("--port", default=4443, show_default=True, help="Of the notary.")
@click.option("--tokens-port", default=4444, show_default=True, help="Of its token service.")
@click.option("--name", default="127.0.0.1", show_default=True, help="Host name or address by which clients reach it.")
@click.option("--public", is_flag=True, help="Take connections from other machines, too.")
@click.option("--programs", default="", help="The folder of notary-server and notary-signer; default: PATH.")
def main(folder: Path, port: int, tokens_port: int, name: str, public: bool, programs: str) -> None:
    """Run a notary of your own for Docker Content Trust, until Ctrl-C or SIGTERM.

    \b
    It needs PostgreSQL, notary-server and notary-signer.
    Debian, Ubuntu: apt-get install notary postgresql
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    found, folder = _programs(programs, os.environ), folder.absolute()
    _prepared(folder, port, tokens_port)
    users, ca = _users(folder / "users"), folder / "ca"
    listen = "0.0.0.0" if public else "127.0.0.1"  # noqa: S104 - it was asked for
    pair = issue(ca, "tokens", *dict.fromkeys(("127.0.0.1", "localhost", name)))
    try:
        with (
            serving(pair, users, listen=listen, port=tokens_port, name=name) as tokens,
            notary(found, folder, ca, tokens, listen=listen, port=port, name=name) as running,
        ):
            click.echo(_told(running, folder))
            while not ended.wait(_SECONDS) and not running.ended:
                pass
            gone = [f"{service.name} has ended by itself; see {service.log}" for service in running.ended]
    except (RuntimeError, OSError) as error:
        raise Refused(str(error)) from None
    if gone:
        raise Refused("\n".join(gone))


def _programs(given: str, environ: Mapping[str, str]) -> Path:
    """The folder that has both programs."""
    found = [shutil.which(name, path=given or environ.get("PATH")) for name in PROGRAMS]
    if not all(found) or len({Path(path).parent for path in found if path}) != 1:
        raise Refused(
            "there are no notary-server and notary-signer here; install them (Debian: apt-get install notary)"
        )
    if postgres_programs() is None:
        raise Refused("PostgreSQL is not installed; install it (Debian: apt-get install postgresql)")
    return Path(str(found[0])).parent


def _prepared(folder: Path, *ports: int) -> None:
    """Have the folder, where PostgreSQL's own user reaches it; see that nothing else has the ports."""
    for port in ports:
        if port and listens(port):
            raise Refused(f"port {port} is in use; give another with --port or --tokens-port")
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root, and runs as its user
        folder.chmod(0o711)
        closed = [one for one in folder.parents if not one.stat().st_mode & 0o001]
        if closed:
            raise Refused(f"the user postgres cannot pass {closed[0]}; give a --folder that everybody can reach")


def _users(file: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Who may sign. The first start makes a user."""
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(new_user())
    if file.stat().st_mode & 0o077:
        raise Refused(f"{file} can be read by others; run `chmod 600 {file}`")
    try:
        return users_of(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refused(f"{file} {error}") from None


def _told(running: Notary, folder: Path) -> str:
    """What clients have to set, as commands of a shell."""
    place = f"~/.docker/tls/{running.name}:{running.server.port}"
    return f"""\
# The notary runs. Everybody may read; who may sign is in {folder}/users (name:password).
export DOCKER_CONTENT_TRUST_SERVER={running.address}
mkdir -p {place}
cp {authority(folder / "ca").certificate} {place}/ca.crt
# imagemill comes with the login that is kept for the notary, or else the one for the image's registry:
#   podman login --cert-dir {place} {running.name}:{running.server.port}
# Then sign with `imagemill publish --trust-server {running.address}`, and look with
#   docker trust inspect --pretty REGISTRY/REPOSITORY
# Backups: stop it with Ctrl-C and copy {folder}."""


if __name__ == "__main__":
    main()
