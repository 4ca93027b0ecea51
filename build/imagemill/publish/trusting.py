"""Docker Content Trust when images are published: the tags of a repository, signed all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagemill import dockerconfig
from imagemill.oci import Descriptor
from imagemill.trust.keyring import Keyring
from imagemill.trust.memory import Memory
from imagemill.trust.notary import Notary, pool_for
from imagemill.trust.repository import Repository
from imagemill.trust.static import Static
from imagemill.trust.store import Store

Place = tuple[str, str]
"""(address of a notary server, folder of static files), one of them empty."""


@dataclass(frozen=True)
class Trust:
    """Where each repository's metadata is (`place_of`; nowhere where both are empty), and the keys in `folder`."""

    folder: Path
    keyring: Keyring
    place_of: Callable[[str], Place]
    environ: Mapping[str, str]
    home: Path
    say: Callable[[str], None]

    def ready(self, gun: str) -> None:
        """Raises Unsigned, and what else keeps a repository's tags from being signed, before anything is sent."""
        if any(self.place_of(gun)):
            self._repository(gun).read()

    def sign(self, gun: str, tags: Mapping[str, Descriptor]) -> None:
        """Sign tags of a repository; those that are signed so already change nothing. Raises TrustError."""
        if any(self.place_of(gun)):
            self._repository(gun).sign({tag: (one.digest, one.size) for tag, one in tags.items()})
            self.say(f"{gun}: {len(tags)} tags signed for Docker Content Trust")

    def _repository(self, gun: str) -> Repository:
        return Repository(self._store(gun), self.keyring, Memory(self.folder, gun))

    def _store(self, gun: str) -> Store:
        server, static = self.place_of(gun)
        if static:
            return Static(Path(static), gun, self.say)
        login = dockerconfig.login_for_notary(self.environ, server, gun)
        return Notary(server, gun, pool_for(server, self.environ, self.home), login)
