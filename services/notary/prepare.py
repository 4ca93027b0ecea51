#!/usr/bin/env python3
"""What compose.yaml wants of secrets and settings: certificates, passwords, the settings of notary's two servers.

What is there stays, so that it can be run again: for another name, or when certificates end.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import notary_settings
from certificates import authority, issue
from tokens import ISSUER, SERVICE, new_user

HERE = Path(__file__).resolve().parent
INSIDE = "/run/secrets"  # where containers have them


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--name", default="127.0.0.1", show_default=True, help="Host name or address by which clients reach it.")
@click.option("--port", default=4443, show_default=True, help="Of the notary.")
@click.option("--tokens-port", default=4444, show_default=True, help="Of its token service.")
@click.option("--public", is_flag=True, help="Take connections from other machines, too.")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), help="Where they are kept; default: secrets, here."
)
def main(name: str, port: int, tokens_port: int, public: bool, folder: Path | None) -> None:
    """Make what compose.yaml wants, and print what is to be done with it."""
    place = (folder or HERE / "secrets").absolute()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    for service in ("server", "signer", "tokens"):
        issue(place, service, *dict.fromkeys((service, "localhost", "127.0.0.1", name)))
    kept(place / "users", new_user())
    kept(place / "signer.passphrase", secrets.token_hex(16))
    password = kept(place / "postgres.password", secrets.token_hex(16))
    url = notary_settings.database("postgres", password, "postgres", 5432, "notary")

    def files(service: str) -> tuple[str, str, str]:
        return f"{INSIDE}/{service}.crt", f"{INSIDE}/{service}.key", f"{INSIDE}/ca.crt"

    signer = notary_settings.signer(":7899", *files("signer"), url)
    server = notary_settings.server(":4443", *files("server"), url, "signer", 7899)
    realm = f"https://{name}:{tokens_port}/token"
    server = notary_settings.guarded(server, realm, SERVICE, ISSUER, f"{INSIDE}/tokens.crt")
    private(place / "signer.json", json.dumps(signer, indent=1))
    private(place / "server.json", json.dumps(server, indent=1))
    listen = "0.0.0.0" if public else "127.0.0.1"  # noqa: S104 - it was asked for
    rows = {
        "NOTARY_SECRETS": place,
        "NOTARY_USER": f"{os.getuid()}:{os.getgid()}",
        "NOTARY_NAME": name,
        "NOTARY_LISTEN": f"{listen}:{port}",
        "TOKENS_LISTEN": f"{listen}:{tokens_port}",
    }
    settings = HERE / ".env" if folder is None else place / ".env"
    private(settings, "".join(f"{key}={row}\n" for key, row in rows.items()))
    trusted = authority(place).certificate
    click.echo(f"""\
docker compose -f {HERE / "compose.yaml"} --env-file {settings} up -d --build
# Who may sign is in {place}/users (name:password). imagemill comes with the login that is kept for the notary,
# or else the one for the image's registry.
export DOCKER_CONTENT_TRUST_SERVER=https://{name}:{port}
mkdir -p ~/.docker/tls/{name}:{port}
cp {trusted} ~/.docker/tls/{name}:{port}/ca.crt
# Keep {place} and the volume `database`: a passphrase in one opens keys in the other.""")


def kept(file: Path, text: str) -> str:
    """What a secret's file says; it is made with this text where it is not there."""
    if not file.exists():
        private(file, text)
    return file.read_text(encoding="utf-8")


def private(file: Path, text: str) -> None:
    """Write a file that its owner alone can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)


if __name__ == "__main__":
    main()
