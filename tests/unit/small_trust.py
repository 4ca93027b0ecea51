"""A small world of content trust: static metadata, people with keys, and a clock that is set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from imagemill.trust.draft import Lifetimes
from imagemill.trust.founding import found
from imagemill.trust.keyring import Keyring
from imagemill.trust.memory import Memory
from imagemill.trust.passphrases import Passphrases
from imagemill.trust.reader import Anchor, Signed, Trusted, read
from imagemill.trust.repository import Repository
from imagemill.trust.signer import Signer
from imagemill.trust.static import Static
from imagemill.trust.store import Store

GUN = "example.com/lambda"
WORD = "passphrase of tests"
ENVIRON = {"DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE": WORD, "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": WORD}
ROUNDS = 1  # there is nothing to keep secret here, and much to open


@dataclass
class World:
    """One repository and its clock."""

    folder: Path
    now: datetime = field(default_factory=lambda: datetime(2026, 11, 21, 12, tzinfo=UTC))
    lifetimes: Lifetimes = field(default_factory=Lifetimes)

    @property
    def served(self) -> Static:
        """The metadata in files."""
        return Static(self.folder / "served", GUN, lambda text: None)

    @property
    def files(self) -> Path:
        """Where the files of the repository are."""
        return self.folder / "served" / "v2" / GUN / "_trust" / "tuf"

    def repository(self, *others: Signer, trust: str = "trust", store: Store | None = None) -> Repository:
        """The repository as seen by who has this trust directory, and other keys."""
        keyring = Keyring(self.folder / trust, Passphrases(ENVIRON), others, rounds=ROUNDS)
        memory = Memory(self.folder / trust, GUN)
        return Repository(
            store or self.served, keyring, memory, self.lifetimes, clock=lambda: self.now, pause=lambda _: None
        )

    def founded(self) -> Repository:
        """The repository, with its first metadata."""
        repository = self.repository()
        found(repository)
        return repository

    def stranger(self, anchor: Anchor | None = None) -> Trusted:
        """What somebody reads who has not been here before."""
        return read(self.served, anchor or Anchor(), self.now)

    def tags(self) -> dict[str, Signed]:
        """What that one sees of tags."""
        return self.stranger().tags

    def wait(self, days: float) -> None:
        """Let time go by."""
        self.now += timedelta(days=days)


def image(number: int = 1) -> tuple[str, int]:
    """A digest and size."""
    return f"sha256:{number:064x}", number
