"""Engines: who executes a rendered Dockerfile, and who runs an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imagemill.oci import Blob


@dataclass(frozen=True)
class Context:
    """What an engine is given: a Dockerfile, the layer archives it adds, and small files that it copies.

    `archives` maps the name in the Dockerfile (`system-amd64.tar`) to a layer in canonical form.
    """

    dockerfile: str
    archives: Mapping[str, Blob] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
