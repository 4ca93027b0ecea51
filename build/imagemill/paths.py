"""Where a checkout keeps what it makes and fetches."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

MANIFEST = ".yaml"
"""How the name of a manifest ends."""

PARSED = "parsed"
"""The folder, where a checkout keeps things, of what its YAML became."""


class Paths(NamedTuple):
    """Where a checkout keeps things."""

    root: Path
    state: Path  # .imagemill: cache, layers, refreshed locks

    @property
    def cache(self) -> Path:
        """Downloads by hash."""
        return self.state / "cache"

    @property
    def layers(self) -> Path:
        """Finished layers by the hash of their inputs."""
        return self.state / "layers"

    @property
    def recompressed(self) -> Path:
        """The same layers in other compressions, by their diff ids."""
        return self.state / "recompressed"
