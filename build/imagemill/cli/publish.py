"""The command that publishes images."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagemill.cli.shared import (
    catalog_of,
    checkout,
    images_argument,
    images_named,
    set_option,
    snapshot_of,
    state_of,
    workshop_of,
)

if TYPE_CHECKING:
    from imagemill.publish.settings import Destination
    from imagemill.publish.trusting import Place, Trust
    from imagemill.registry.login import Given
    from imagemill.trust.passphrases import Passphrases
    from imagemill.trust.signer import Signer

_BUILDER = "https://github.com/imagemill/imagemill/blob/main/docs/provenance.md#built-by-hand"
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@images_argument
@set_option
@click.option(
    "--to", multiple=True, metavar="REGISTRY/REPO", help="Where to; default: all of publish.yaml. Repeatable."
)
@click.option("--date", default="", help="Of the dated tags, as 20261121 or 20261121.1; default: today, in UTC.")
@click.option(
    "--report", "reports", multiple=True, type=_FILE, metavar="FILE",
    help="What `imagemill conform --report json=FILE` found of these very images; default: DIST/conformance.json.",
)  # fmt: skip
@click.option("--allow-unrun", is_flag=True, help="Take images that were judged without being run.")
@click.option("--dist", type=_FOLDER, help="Where artifacts are; default: dist.")
@click.option("--key", type=_FILE, envvar="IMAGEMILL_KEY", help="The private key that signs; see `imagemill trust`.")
@click.option("--signer", default="", metavar="COMMAND", help="A program that signs in its place, for keys in a KMS.")
@click.option(
    "--certificate", type=_FILE, help="The key's certificate in PEM, and those above it: signs for notation, too."
)
@click.option("--passphrase-fd", type=int, metavar="N", help="Read passphrases from this file descriptor.")
@click.option("--trust", "trust_dir", type=_FOLDER, envvar="IMAGEMILL_TRUST", help="Default: ~/.imagemill/trust.")
@click.option(
    "--trust-server", default="", envvar="DOCKER_CONTENT_TRUST_SERVER", metavar="URL",
    help="The notary that tags are signed on, for `docker trust`; default: what publish.yaml says.",
)  # fmt: skip
@click.option("--trust-static", type=_FOLDER, help="Write the same metadata here instead, for a file server.")
@click.option("--releases", type=_FOLDER, help="The records of releases; default: releases.")
@click.option("--source", default="", metavar="URL", help="The repository of the checkout; default: git's origin.")
@click.option("--revision", default="", help="Its commit; default: git's, if nothing is changed.")
@click.option("--builder", default=_BUILDER, metavar="URI", help="Who builds, for the provenance.")
@click.option("--move-newer", is_flag=True, help="Move tags even away from images that are newer, or not known here.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def publish(
    root: Path | None,
    images: Sequence[str],
    which: str,
    to: Sequence[str],
    date: str,
    reports: Sequence[Path],
    allow_unrun: bool,
    dist: Path | None,
    key: Path | None,
    signer: str,
    certificate: Path | None,
    passphrase_fd: int | None,
    trust_dir: Path | None,
    trust_server: str,
    trust_static: Path | None,
    releases: Path | None,
    source: str,
    revision: str,
    builder: str,
    move_newer: bool,
    dry_run: bool,
    form: str,
) -> None:
    """Publish images: push them by digest, sign them, look at them from outside, and then move their tags.

    Only what is whole, made from the lock, and has a passing report on its very digest, for which it was run, is
    published. Dated tags are
    never moved. A run that was ended anywhere can be run again, and goes on.
    """
    from imagemill.cli.passphrases import passphrases
    from imagemill.errors import PublishError
    from imagemill.mirrors import Mirrors
    from imagemill.occupancy import occupied
    from imagemill.progress import progress
    from imagemill.publish import aws, gate, listed, names, order
    from imagemill.publish import settings as configuration
    from imagemill.publish.ecr import Registries
    from imagemill.publish.release import Release, origin
    from imagemill.registry.opening import open_repository
    from imagemill.reports.summary import joined, read
    from imagemill.scratch import scratch
    from imagemill.web import Web

    top = checkout(root)
    wanted = configuration.destinations(configuration.read(top), tuple(to))
    day = names.check_date(date or datetime.datetime.now(datetime.UTC).strftime("%Y%m%d"))
    chosen = images_named(catalog_of(top), images, which)
    workshop = workshop_of(top, dist)
    report = joined([read(path) for path in reports or [workshop.dist.path / "conformance.json"]])
    hashes = {row["name"]: row["input_hash"] for row in snapshot_of(top).rows}
    web = Web(Mirrors.discover(os.environ))
    registries = Registries(wanted, aws.clients(), lambda line: click.echo(line, err=True))

    def hosted(name: str) -> Given:
        """What gives the login for a registry that hands out its own; nothing for others."""
        host = name.partition("/")[0]
        return (lambda: registries.login(host)) if registries.login(host) else ""

    with (
        occupied(workshop.dist.path, lambda text: click.echo(text, err=True), shared=True),
        scratch(state_of(top)) as folder,
        progress() as said,
    ):
        artifacts = gate.admitted(chosen, workshop.dist, report, hashes, allow_unrun=allow_unrun)
        release = Release(
            top, workshop.dist, chosen, artifacts, wanted, day, report,
            origin(top, source, revision, builder, os.environ), releases or top / "releases", folder,
            lambda name: open_repository(name, web, os.environ, hosted(name)), registries, said.step,
            certificate.read_bytes() if certificate else b"",
        )  # fmt: skip
        places = release.places()
        seen = release.look(places, newer=move_newer)
        if dry_run:
            click.echo(listed.planned(places, seen, form), nl=False)
            return
        words = passphrases(passphrase_fd)  # one for all: a descriptor can be read only once
        by = _signer(key, signer, words)
        trust = _trust(wanted, trust_dir, trust_server, trust_static, words)
        outcomes = release.publish(places, seen, by, trust)
    click.echo(listed.published(outcomes, form), nl=False)
    if wrong := order.failed(outcomes):
        lines = "\n".join(f"  {line}" for line in wrong)
        raise PublishError(f"{len(wrong)} of {len(outcomes)} were not published:\n{lines}", "run it again: it goes on")


def _signer(key: Path | None, command: str, words: Passphrases) -> Signer:
    """The key that was asked for."""
    from imagemill.errors import TrustError
    from imagemill.trust.keys import External, KeyFile

    if (key is None) == (not command):
        raise TrustError("one key signs: --key FILE or --signer COMMAND", "make one with `imagemill trust key`")
    return KeyFile(key, words) if key else External.of(command)


def _trust(
    destinations: Sequence[Destination], folder: Path | None, server: str, static: Path | None, words: Passphrases
) -> Trust:
    """Where tags are signed for Docker Content Trust: as told, else as publish.yaml has it, else nowhere."""
    from imagemill.errors import TrustError
    from imagemill.publish.trusting import Trust
    from imagemill.trust.keyring import Keyring

    if server and static:
        raise TrustError("--trust-server and --trust-static cannot be had together", "leave one out")
    home = Path.home()
    place = folder or home / ".imagemill" / "trust"
    told = (server, str(static.absolute()) if static else "")
    spaces = {one.to.rpartition("/")[0]: one.trust for one in destinations if one.trust}

    def place_of(repository: str) -> Place:
        if any(told):
            return told
        fitting = [space for space in spaces if repository.startswith(f"{space}/")]
        found = spaces[max(fitting, key=len)] if fitting else None
        return (found.server, found.static) if found else ("", "")

    keyring = Keyring(place, words)
    return Trust(place, keyring, place_of, os.environ, home, lambda text: click.echo(text, err=True))
