"""Publishers and readers of trust metadata, for the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from imagemill import dockerconfig
from imagemill.trust.draft import Lifetimes
from imagemill.trust.keyring import Keyring
from imagemill.trust.memory import Memory
from imagemill.trust.notary import Notary, pool_for
from imagemill.trust.passphrases import Passphrases
from imagemill.trust.repository import Repository
from imagemill.trust.signer import Signer
from imagemill.trust.static import Static
from imagemill.trust.store import Store

PASSPHRASE = "passphrase of tests"
ENVIRON = {
    "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE": PASSPHRASE,
    "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": PASSPHRASE,
}
ROUNDS = 2048  # as docker's; the tests have no secrets


@dataclass(frozen=True)
class Publisher:
    """Somebody with a trust directory."""

    trust: Path
    store: Callable[[str], Store]

    def repository(
        self, gun: str, *others: Signer, lifetimes: Lifetimes | None = None, clock: Callable[[], datetime] | None = None
    ) -> Repository:
        """A repository, with the keys of the directory and others that are in no file."""
        return Repository(
            self.store(gun),
            Keyring(self.trust, Passphrases(ENVIRON), others, rounds=ROUNDS),
            Memory(self.trust, gun),
            lifetimes or Lifetimes(),
            clock=clock or (lambda: datetime.now(UTC)),
        )


def to_files(folder: Path) -> Callable[[str], Store]:
    """Metadata in files that are served."""
    return lambda gun: Static(folder, gun, print)


def to_notary(address: str, environ: Mapping[str, str]) -> Callable[[str], Store]:
    """Metadata on a notary server, as the user that docker is logged in as in this environment."""
    home = Path(environ["HOME"])
    pool = pool_for(address, environ, home)

    def store(gun: str) -> Store:
        host, _, path = gun.partition("/")
        return Notary(address, gun, pool, dockerconfig.login(environ, home, host, path, lambda name, place: {}))

    return store


def past(days: float) -> Callable[[], datetime]:
    """A clock that is late by so many days."""
    return lambda: datetime.now(UTC) - timedelta(days=days)


def some(tags: Sequence[str], digest: str = "ab") -> dict[str, tuple[str, int]]:
    """Tags of an image that is nowhere."""
    return dict.fromkeys(tags, (f"sha256:{digest * 32}", 7))
