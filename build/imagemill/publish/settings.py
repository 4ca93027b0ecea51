"""`publish.yaml`: where images are published to, and what signs their tags there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from imagemill import strictyaml
from imagemill.errors import ManifestError, PublishError
from imagemill.keys import spelled

FILE = "publish.yaml"
SCHEMA = "build/imagemill/publish/publish.schema.json"
HUB = "docker.io"

RepositoryName = Annotated[
    str,
    spelled(
        r"^([a-z0-9.-]+(:[0-9]+)?|\[[0-9a-f:]+\](:[0-9]+)?)(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$",
        "REGISTRY/REPOSITORY without a tag, as ghcr.io/acme/lambda",
    ),
]

Endpoint = Annotated[str, spelled(r"^https?://[^/\s@]+(/\S*)?$", "https://host, or http://localhost:4566")]


class Ecr(Struct, frozen=True, forbid_unknown_fields=True):
    """How repositories are made in Amazon ECR. Without `endpoint` and `region` they follow from the registry's name."""

    scan_on_push: bool = True
    immutable_dates: bool = True
    """Whether ECR itself refuses to move dated tags (MUTABLE_WITH_EXCLUSION), too."""
    keep_untagged_days: Annotated[int, Meta(ge=1)] = 14
    """Days after which ECR removes what no tag or index points at."""
    region: str = ""
    endpoint: Endpoint | None = None
    """Of another service with ECR's API, as LocalStack's."""


class Trust(Struct, frozen=True, forbid_unknown_fields=True):
    """Where Docker Content Trust's metadata goes: to a notary server, or into a folder that a file server serves."""

    server: str = ""
    static: str = ""

    def __post_init__(self) -> None:
        """ValueError for both at a time."""
        if self.server and self.static:
            raise ValueError("'server' and 'static' cannot be had together; keep one")


class Destination(Struct, frozen=True, forbid_unknown_fields=True):
    """One repository that images go to. Aliases of manifests are repositories beside it."""

    to: RepositoryName
    aliases: bool = True
    trust: Trust | None = None
    ecr: Ecr | None = None

    @property
    def host(self) -> str:
        """The registry."""
        return self.to.partition("/")[0]


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All of `publish.yaml`."""

    destinations: tuple[Destination, ...] = ()


def read(root: Path) -> Settings:
    """The settings of a checkout; empty ones where there is no file. Raises ManifestError with every mistake."""
    path = root / FILE
    if not path.is_file():
        return Settings()
    found, mistakes = strictyaml.read(path, FILE, Settings, schema=SCHEMA)
    if found is None:
        raise ManifestError(mistakes)
    return found


def destinations(settings: Settings, wanted: tuple[str, ...]) -> list[Destination]:
    """The destinations that are asked for, each as the settings have it; all of the settings' when none is.

    Raises PublishError for what is no repository, and where there is nowhere to publish to.
    """
    known = {one.to: one for one in settings.destinations}
    if not wanted:
        if not known:
            raise PublishError("there is nowhere to publish to", f"give --to REGISTRY/REPOSITORY, or write {FILE}")
        return list(known.values())
    found = []
    for name in wanted:
        try:
            found.append(known.get(name) or msgspec.convert({"to": name}, Destination))
        except msgspec.ValidationError:
            raise PublishError(
                f"--to {name}: no repository", "write it as REGISTRY/REPOSITORY, without a tag"
            ) from None
    return found
