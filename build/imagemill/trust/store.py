"""What trust metadata is read from and written to: one repository's (GUN's) at a time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from imagemill.errors import TrustError
from imagemill.trust.metadata import PublicKey


class Conflict(TrustError):
    """Somebody else has written since this was read; nothing was written."""


class Unsure(TrustError):
    """Nobody knows whether it was written: the connection or the server broke."""


class Unsigned(TrustError):
    """A repository that has no trust metadata at all."""


class Reader(Protocol):
    """Reads the metadata of one GUN."""

    @property
    def gun(self) -> str:
        """The name of the repository, as docker spells it: `registry.example.com/lambda`."""

    def read(self, name: str) -> bytes | None:
        """A file by its name without `.json`: `timestamp`, `2.root`, `targets.<sha256>`; None where there is none.

        Raises TrustError where that cannot be known.
        """


class Store(Reader, Protocol):
    """Reads and writes the metadata of one GUN."""

    @property
    def managed(self) -> frozenset[str]:
        """The roles that the store signs itself, with keys that nobody else has."""

    def key(self, role: str, *, new: bool = False) -> PublicKey:
        """The public key of a managed role, or a new one in its place. Raises TrustError."""

    def alone(self) -> AbstractContextManager[None]:
        """Be the only writer for a while, as far as the store can grant that."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace files by their roles, all or none. Raises Conflict, Unsure and TrustError."""
