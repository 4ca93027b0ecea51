"""Commands about Docker Content Trust: keys, signers, and how long signatures are good for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from imagemill.errors import TrustError

if TYPE_CHECKING:
    from imagemill.trust.draft import Lifetimes
    from imagemill.trust.keyring import Keyring
    from imagemill.trust.reader import Trusted
    from imagemill.trust.repository import Repository
    from imagemill.trust.store import Store

_F = TypeVar("_F", bound=Callable[..., Any])
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)
_PUBLIC = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclass(frozen=True)
class _Asked:
    """What all commands are told about keys."""

    folder: Path
    fd: int | None
    commands: Sequence[str]

    def keyring(self) -> Keyring:
        """The keys at hand."""
        from imagemill.cli.passphrases import passphrases
        from imagemill.trust.keyring import Keyring
        from imagemill.trust.keys import External

        return Keyring(self.folder, passphrases(self.fd), [External.of(line) for line in self.commands])


def _where(command: _F) -> _F:
    """The options that say where a repository's metadata is."""
    for option in (
        click.option("--static", type=_FOLDER, help="The folder that a file server serves the metadata from."),
        click.option(
            "--server", envvar="DOCKER_CONTENT_TRUST_SERVER", help="The notary server, as https://host[:port]."
        ),
        click.argument("gun", metavar="REPOSITORY"),
    ):
        command = option(command)
    return command


_days = click.option(
    "--days", multiple=True, metavar="ROLE=DAYS",
    help="How long signatures are good; default: timestamp=14, snapshot=1095, targets=1095, root=3650.",
)  # fmt: skip


@click.group()
@click.option(
    "--trust", type=_FOLDER, envvar="IMAGEMILL_TRUST", help="The folder of keys; default: ~/.imagemill/trust."
)
@click.option("--passphrase-fd", type=int, help="The file descriptor whose first line is the passphrase of keys.")
@click.option("--signer", multiple=True, metavar="COMMAND", help="A program that keeps a key; may be repeated.")
@click.pass_context
def trust(ctx: click.Context, trust: Path | None, passphrase_fd: int | None, signer: Sequence[str]) -> None:
    """Sign tags the way `docker trust` shows them: keys, signers, expiry.

    REPOSITORY is what docker calls it, as registry.example.com/lambda. Its metadata is on a notary server (--server) or
    in a folder that any HTTPS server serves (--static). Passphrases are in IMAGEMILL_TRUST_PASSPHRASE_<ROLE>, or in
    docker's DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE and DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE; else they are asked.
    """
    ctx.obj = _Asked(trust or Path.home() / ".imagemill" / "trust", passphrase_fd, signer)


@trust.command()
@_where
@click.option("--root-key", default="", metavar="ID", help="The root key; default: the one there is, else a new one.")
@_days
@click.pass_obj
def init(asked: _Asked, gun: str, server: str | None, static: Path | None, root_key: str, days: Sequence[str]) -> None:
    """Make the keys and the first metadata of a repository. Prints each key of it that is here, and its file."""
    from imagemill.trust.founding import found

    repository = _repository(asked, gun, server, static, days)
    trusted = found(repository, root_key)
    kept = {named.id: named for named in repository.keyring.listed()}
    for role in ("root", "targets", "snapshot", "timestamp"):
        for file in _files_of(trusted, role):
            place = (
                kept[file].path if file in kept else "the server" if role in repository.store.managed else "--signer"
            )
            click.echo(f"{role} {file} {place}")
    click.echo("The root key makes all others: have a copy of its file where no network is, and not here.", err=True)
    click.echo("`imagemill trust export` writes a backup; passphrases are in none.", err=True)


@trust.command()
@click.argument("gun", metavar="[REPOSITORY]", required=False)
@click.option("--server", envvar="DOCKER_CONTENT_TRUST_SERVER", help="The notary server, as https://host[:port].")
@click.option("--static", type=_FOLDER, help="The folder that a file server serves the metadata from.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def status(asked: _Asked, gun: str | None, server: str | None, static: Path | None, form: str) -> None:
    """Show keys, versions, days left, signers and signed tags of a repository; without one, the key files here.

    Exits with 1 where something is out of date.
    """
    import json

    from imagemill.trust import status as shown
    from imagemill.trust.reader import read

    if gun is None:
        keys = asked.keyring().listed()
        rows = [{"id": key.id, "role": key.role, "repository": key.gun} for key in keys]
        click.echo(json.dumps(rows, indent=2) if form == "json" else "\n".join(shown.key_lines(keys)))
        return
    repository = _repository(asked, gun, server, static)
    now = repository.clock()
    trusted = read(repository.store, repository.memory.anchor(), None)
    here = {key.id for key in repository.keyring.listed()} | repository.keyring.external()
    found = shown.status(trusted, now, here, repository.store.managed)
    click.echo(json.dumps(found.to_json(), indent=2) if form == "json" else "\n".join(shown.lines(found)))
    past = [row.role for row in found.roles if row.expires and row.days < 0]
    if past:
        click.echo(f"out of date: {', '.join(past)}; `imagemill trust refresh` signs anew", err=True)
        sys.exit(1)


@trust.command()
@click.argument("kind", type=click.Choice(["root", "targets", "snapshot", "timestamp"]))
@_where
@click.option("--key", default="", metavar="ID", help="The key that takes its place; default: a new one.")
@_days
@click.pass_obj
def rotate(
    asked: _Asked, kind: str, gun: str, server: str | None, static: Path | None, key: str, days: Sequence[str]
) -> None:
    """Put a new key in the place of one. The root key must be here, and the old one too where the root changes.

    Prints the new key's id. The file of the old one stays.
    """
    trusted = _repository(asked, gun, server, static, days).rotate(kind, key)
    for file in _files_of(trusted, kind):
        click.echo(file)


@trust.group()
def delegate() -> None:
    """Let others sign tags with keys of their own, so that root and repository key can be offline."""


@delegate.command("add")
@click.argument("name")
@_where
@click.option(
    "--key", type=_PUBLIC, required=True, help="The public key, as `imagemill trust key` or docker writes it."
)
@_days
@click.pass_obj
def add(
    asked: _Asked, name: str, gun: str, server: str | None, static: Path | None, key: Path, days: Sequence[str]
) -> None:
    """Let NAME sign the tags of a repository with a key. The repository key must be here."""
    from imagemill.trust.keys import public_der

    _repository(asked, gun, server, static, days).delegate(name, public_der(key.read_bytes(), str(key)))
    click.echo(f"{name} signs {gun}", err=True)


@delegate.command("remove")
@click.argument("name")
@_where
@click.option("--adopt", is_flag=True, help="Sign with the repository key what nobody else signs.")
@click.option("--drop", is_flag=True, help="Have what nobody else signs signed no more.")
@_days
@click.pass_obj
def remove(
    asked: _Asked, name: str, gun: str, server: str | None, static: Path | None, adopt: bool, drop: bool,
    days: Sequence[str],
) -> None:  # fmt: skip
    """Let NAME sign no longer. The repository key must be here."""
    if adopt and drop:
        raise click.UsageError("give either --adopt or --drop")
    _repository(asked, gun, server, static, days).undelegate(name, adopt=adopt, drop=drop)
    click.echo(f"{name} signs {gun} no longer", err=True)


@trust.command()
@_where
@click.option("--role", "roles", multiple=True, help="Sign this one anew too, as targets; may be repeated.")
@_days
@click.pass_obj
def refresh(
    asked: _Asked, gun: str, server: str | None, static: Path | None, roles: Sequence[str], days: Sequence[str]
) -> None:
    """Sign the timestamp of static metadata anew, and the snapshot when half of its time is over.

    A notary server does that by itself.
    """
    trusted = _repository(asked, gun, server, static, days).refresh(roles)
    click.echo(f"timestamp {trusted.timestamp.version} expires at {trusted.timestamp.expires}", err=True)


@trust.command()
@_where
@click.argument("tag")
@click.argument("digest")
@click.argument("size", type=int)
@click.option("--role", "roles", multiple=True, help="Default: delegations whose keys are here, else targets.")
@_days
@click.pass_obj
def sign(
    asked: _Asked, gun: str, server: str | None, static: Path | None, tag: str, digest: str, size: int,
    roles: Sequence[str], days: Sequence[str],
) -> None:  # fmt: skip
    """Sign a tag by hand: the DIGEST (sha256:…) and SIZE in bytes of its manifest or index."""
    trusted = _repository(asked, gun, server, static, days).sign({tag: (digest, size)}, roles)
    click.echo(f"{gun}:{tag} {digest} is signed by {', '.join(trusted.tags[tag].signers)}", err=True)


@trust.command()
@_where
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@_days
@click.pass_obj
def revoke(
    asked: _Asked, gun: str, server: str | None, static: Path | None, tags: Sequence[str], days: Sequence[str]
) -> None:
    """Have tags signed no more, in all roles that sign them; the keys of all must be here."""
    _repository(asked, gun, server, static, days).revoke(tags)
    click.echo(f"{', '.join(tags)} of {gun}: signed no more", err=True)


@trust.command()
@click.argument("name")
@click.option("--out", type=_FILE, help="The public key's file; default: NAME.pub.")
@click.pass_obj
def key(asked: _Asked, name: str, out: Path | None) -> None:
    """Make a key to sign with, as a delegation or for `imagemill publish --key`. Prints the private key's file.

    NAME is what docker shows as the signer.
    """
    from imagemill.trust.keys import key_id, public_pem
    from imagemill.trust.metadata import is_delegation

    if not is_delegation(f"targets/{name}") or "/" in name or name == "releases":
        raise TrustError(f"{name!r} is no name that Notary knows", "use small letters, digits, - and _")
    public = out or Path(f"{name}.pub")
    if public.exists():
        raise TrustError(f"{public} is there already", "name another file: --out")
    keyring = asked.keyring()
    made = keyring.make(name)
    public.write_text(public_pem(made, name), encoding="ascii")
    click.echo(keyring.place / f"{key_id(made)}.key")
    click.echo(f"its public key: {public}", err=True)


@trust.command()
@click.argument("out", type=_FILE)
@click.option("--key", "keys", multiple=True, metavar="ID", help="Only this key; may be repeated.")
@click.pass_obj
def export(asked: _Asked, out: Path, keys: Sequence[str]) -> None:
    """Write a backup of the keys here, each encrypted with its passphrase. `notary key import` reads it too."""
    for named in asked.keyring().export(out, keys):
        click.echo(f"{named.role} {named.id}")


@trust.command("import")
@click.argument("backup", type=_FILE)
@click.pass_obj
def restore(asked: _Asked, backup: Path) -> None:
    """Put back the keys of a backup that are not here. Prints those that were put back; nothing is overwritten."""
    for named in asked.keyring().restore(backup):
        click.echo(f"{named.role} {named.id}")


def _repository(
    asked: _Asked, gun: str, server: str | None, static: Path | None, days: Sequence[str] = ()
) -> Repository:
    from imagemill.trust.memory import Memory
    from imagemill.trust.repository import Repository

    return Repository(_store(gun, server, static), asked.keyring(), Memory(asked.folder, gun), _lifetimes(days))


def _store(gun: str, server: str | None, static: Path | None) -> Store:
    from imagemill import dockerconfig
    from imagemill.trust.notary import Notary, pool_for
    from imagemill.trust.static import Static

    if static is not None:
        return Static(static, gun, lambda text: click.echo(text, err=True))
    if not server:
        raise click.UsageError("say where the metadata is: --server URL or --static DIR")
    login = dockerconfig.login_for_notary(os.environ, server, gun)
    return Notary(server, gun, pool_for(server, os.environ, Path.home()), login)


def _lifetimes(days: Sequence[str]) -> Lifetimes:
    from imagemill.trust.draft import Lifetimes

    found = Lifetimes()
    for text in days:
        role, _, number = text.partition("=")
        if role not in ("root", "targets", "snapshot", "timestamp") or not number.isdecimal() or int(number) < 1:
            raise click.UsageError(f"--days {text}: write it as timestamp=14")
        found = replace(found, **{role: int(number)})
    return found


def _files_of(trusted: Trusted, role: str) -> list[str]:
    """The ids of a role's keys as their files are named."""
    from imagemill.trust.signatures import canonical_id

    return [canonical_id(one) for one in trusted.root.keys_of(role).values()]
