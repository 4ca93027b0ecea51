"""Where what is verified comes from: a repository in a registry, or a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from imagemill.oci import Descriptor


class Source(Protocol):
    """The part of registry.Repository that is needed to verify. Nothing that it gives is believed.

    All raise Missing for what is not there, and other errors of imagemill for what cannot be had.
    """

    @property
    def name(self) -> str:
        """Host and path."""

    def manifest(self, reference: str) -> bytes:
        """The manifest of a tag or digest."""

    def blob(self, digest: str) -> Iterator[bytes]:
        """A blob, in pieces."""

    def small_blob(self, digest: str, longest: int = ...) -> bytes:
        """A blob of at most `longest` bytes, seen to be that of its digest."""

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a manifest."""
