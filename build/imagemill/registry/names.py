"""Names of images, as docker spells them."""

from __future__ import annotations

import re
from dataclasses import dataclass

HUB = "registry-1.docker.io"
_NAME = re.compile(
    r"(?:(?P<host>localhost(?::\d+)?|[\w-]+(?:\.[\w-]+)+(?::\d+)?|[\w-]+:\d+|\[[0-9a-f:]+\](?::\d+)?)/)?"
    r"(?P<path>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Name:
    """An image in a registry, as docker spells it, with what it leaves out filled in."""

    host: str
    path: str
    reference: str

    @property
    def repository(self) -> str:
        """Host and path."""
        return f"{self.host}/{self.path}"


def parse(text: str) -> Name | None:
    """What a name means in registries; None for what is no name of an image."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    host, path = match["host"] or "docker.io", match["path"]
    if host in ("docker.io", "index.docker.io"):
        host, path = HUB, path if "/" in path else f"library/{path}"
    return Name(host, path, match["digest"] or match["tag"] or "latest")
