"""Commands that verify images as strangers do, and make bundles for where there is no network; without a checkout."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from imagemill.trust.store import Reader
    from imagemill.verify.policy import Policy
    from imagemill.verify.run import Means
    from imagemill.verify.source import Source
    from imagemill.verify.verdict import Verdict

_C = TypeVar("_C", bound=Callable[..., Any])
_FORMATS = ("table", "plain", "json")


@dataclass(frozen=True)
class _Asked:
    """What was asked for: a repository, and a tag or digest in it."""

    repository: str
    reference: str


def _options(command: _C) -> _C:
    for option in (
        click.option("--root-key", "roots", metavar="ID", multiple=True, help="A root key of --trust-server; repeat."),
        click.option("--trust-server", metavar="URL", default="", help="Where Docker Content Trust's metadata is."),
        click.option(
            "--policy", type=click.Path(path_type=Path, dir_okay=False), help="What the image must be like; YAML."
        ),
        click.option(
            "--key",
            "keys",
            type=click.Path(path_type=Path, dir_okay=False),
            multiple=True,
            help="A public key in PEM, as cosign.pub; may be repeated: one of them must have signed.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("ref", metavar="REF")
@_options
@click.option(
    "--offline", metavar="BUNDLE", type=click.Path(path_type=Path, dir_okay=False),
    help="A file that `imagemill bundle` wrote: nothing is asked of any network.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Default: a table on a terminal, else plain lines.")
def verify(
    ref: str,
    keys: Sequence[Path],
    policy: Path | None,
    trust_server: str,
    roots: Sequence[str],
    offline: Path | None,
    form: str | None,
) -> None:
    """Verify an image in a registry: who signed it, every byte, what it is made of and how, and that it is not old.

    REF is a name with a tag or a digest. What is missing or cannot be read is refused. Exits with 53 when anything
    is wrong.
    """
    from imagemill.verify.run import verify as run

    asked, terms = _asked(ref), _policy(keys, policy, trust_server, roots)
    with _means(asked, terms, offline) as means:
        verdict = run(asked.reference, terms, means)
    _tell(verdict, form or ("table" if sys.stdout.isatty() else "plain"))
    _end(verdict)


@click.command()
@click.argument("ref", metavar="REF")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@_options
def bundle(
    ref: str, out: Path, keys: Sequence[Path], policy: Path | None, trust_server: str, roots: Sequence[str]
) -> None:
    """Verify an image, and write it with all that is signed of it into one file, for `imagemill verify --offline`.

    REF and the options are those of `imagemill verify`. What is not found good is not written.
    """
    from dataclasses import replace

    from imagemill.verify import offline
    from imagemill.verify.chain import Recording
    from imagemill.verify.run import examine

    asked, terms = _asked(ref), _policy(keys, policy, trust_server, roots)
    with _means(asked, terms, None) as found:
        recorder = offline.Recorder(found.source)
        trust = Recording(found.trust) if found.trust else None
        verdict, case = examine(asked.reference, terms, replace(found, source=recorder, trust=trust))
        if case is not None and verdict.passed:
            offline.write(out, case, recorder, trust.files if trust else {})
    if not verdict.passed:
        _tell(verdict, "plain", err=True)
    _end(verdict)
    click.echo(out)


def _asked(ref: str) -> _Asked:
    from imagemill.errors import VerifyError
    from imagemill.registry.names import parse

    name = parse(ref.removeprefix("docker://"))
    if name is None or not set(ref) & set("/:@"):
        raise VerifyError(f"{ref!r} is no name of an image", "write HOST/REPOSITORY:TAG or HOST/REPOSITORY@sha256:…")
    return _Asked(name.repository, name.reference)


def _policy(keys: Sequence[Path], file: Path | None, server: str, roots: Sequence[str]) -> Policy:
    import msgspec

    from imagemill.errors import VerifyError
    from imagemill.verify import policy

    terms = policy.with_keys(policy.load(file) if file else policy.Policy(), keys)
    if not server and not roots:
        return terms
    try:
        pinned = msgspec.convert({"server": server, "roots": list(roots)}, policy.Pinned)
    except msgspec.ValidationError:
        raise VerifyError(
            "--trust-server and --root-key go together: an address, and the ids of root keys",
            "`docker trust inspect --pretty` shows the Root Key; ask its owner for it",
        ) from None
    return msgspec.structs.replace(terms, trust=pinned)


@contextmanager
def _means(asked: _Asked, terms: Policy, offline: Path | None) -> Iterator[Means]:
    from imagemill.verify.run import Means

    memory = Path(os.environ.get("IMAGEMILL_STATE") or Path.home() / ".imagemill").absolute()
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="imagemill-verify-") as folder:
        if offline is None:
            source, trust = _registry(asked), _trust(asked, terms)
            yield Means(source, trust, Path(folder), memory, now)
            return
        from imagemill.errors import VerifyError
        from imagemill.verify.case import plain
        from imagemill.verify.chain import Files
        from imagemill.verify.offline import Bundle

        with Bundle(offline) as found:
            if plain(found.name) != plain(asked.repository):
                raise VerifyError(f"{offline} is of {found.name}, not of {asked.repository}", "ask for what it is of")
            files = Files(terms.signed_as or found.name, found.trust)
            yield Means(found, files if found.trust else None, Path(folder), memory, now)


def _registry(asked: _Asked) -> Source:
    from imagemill.mirrors import Mirrors
    from imagemill.registry.opening import open_repository
    from imagemill.web import Web

    return open_repository(asked.repository, Web(Mirrors.discover(os.environ)), os.environ)


def _trust(asked: _Asked, terms: Policy) -> Reader | None:
    if terms.trust is None:
        return None
    from imagemill.dockerconfig import login_for_notary
    from imagemill.trust.notary import Notary, pool_for

    name, server = terms.signed_as or asked.repository, terms.trust.server
    login = login_for_notary(os.environ, server, name)
    return Notary(server, name, pool_for(server, os.environ, Path.home()), login)


def _tell(verdict: Verdict, form: str, *, err: bool = False) -> None:
    from imagemill.verify import verdict as told

    if form == "json":
        click.echo(told.to_json([verdict]), nl=False)
        return
    if form == "table":
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table("check", "of", "", "found", title=f"{verdict.reference}\n{verdict.digest}", title_justify="left")
        styles = {"ok": "green", "FAIL": "bold red", "-": "dim"}
        for check, about, sign, found in told.cells(verdict.rows):
            table.add_row(check, about, Text(sign, styles[sign]), Text(found))
        Console().print(table)
        return
    click.echo("\n".join([f"{verdict.reference} {verdict.digest}".rstrip(), *told.lines(verdict)]), err=err)


def _end(verdict: Verdict) -> None:
    from imagemill.errors import VerifyError
    from imagemill.reports.summary import printable

    if not verdict.passed:
        first = next(iter(verdict.failures), None)
        reason = f"{first.check}: {first.found}" if first else "nothing was verified"
        raise VerifyError(f"{verdict.reference} is not verified: {printable(reason)}", first.remedy if first else "")
