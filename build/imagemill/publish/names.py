"""Under which names an image is published: its tags in a repository, and those of its aliases beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imagemill.dist import Artifact
from imagemill.errors import PublishError
from imagemill.oci import Descriptor
from imagemill.plan import Image
from imagemill.publish.settings import HUB, Destination

_DATE = re.compile(r"\d{8}(\.\d+)?")


@dataclass(frozen=True, order=True)
class Tag:
    """A name to be: `repository:tag` for an image, or for one platform of it. A `fixed` one is never moved."""

    repository: str
    name: str
    image: str
    target: str  # the digest that it will have
    fixed: bool = False

    def __str__(self) -> str:
        return f"{self.repository}:{self.name}"


@dataclass(frozen=True)
class Place:
    """One repository, what of an image goes there, and the tags that it gets, in the order in which they are moved.

    The short tag, which most people use, comes last.
    """

    repository: str
    image: str
    index: Descriptor
    platforms: tuple[Descriptor, ...]
    tags: tuple[Tag, ...]

    @property
    def digests(self) -> tuple[Descriptor, ...]:
        """What is signed: the index and the manifest of each platform."""
        return (self.index, *self.platforms)


def dated(date: str, tag: str) -> str:
    """A tag of the day: `20261121-python3.13`."""
    return f"{date}-{tag}"


def check_date(date: str) -> str:
    """The date of a release, `20261121`, or `20261121.1` for a second one of the day. Raises PublishError."""
    if not _DATE.fullmatch(date):
        raise PublishError(f"--date {date}: no date", "write it as 20261121, or 20261121.1 for a second one of the day")
    return date


def places(
    artifact: Artifact,
    index: Descriptor,
    platforms: Sequence[Descriptor],
    image: Image,
    destination: Destination,
    date: str,
) -> Iterator[Place]:
    """Where an image goes at a destination: its repository, then those of its aliases.

    `index` and `platforms` are what its layout has.

    Docker Hub has no repositories below repositories, so aliases that would be some are left out there.
    """

    def place(repository: str, words: Iterable[tuple[str, str, bool]]) -> Place:
        tags = tuple(Tag(repository, name, artifact.name, target, fixed) for name, target, fixed in words)
        return Place(repository, artifact.name, index, tuple(platforms), tags)

    own = [(dated(date, tag), artifact.digest, True) for tag in artifact.tags]
    own += [(tag, built.digest, False) for _, built in sorted(artifact.platforms.items()) for tag in built.tags]
    own += [(tag, artifact.digest, False) for tag in artifact.tags]
    yield place(destination.to, own)
    if not destination.aliases or image.tags[-1] == image.name:  # the short tags are those of the default base
        return
    prefix = "" if image.variant == "run" else f"{image.variant}-"
    beside: dict[str, list[tuple[str, str, bool]]] = {}
    for alias in image.runtime.aliases:
        name, _, tag = alias.partition(":")
        repository = f"{destination.to.rpartition('/')[0]}/{name}" if tag else destination.to
        if destination.host == HUB and repository.count("/") != 2:
            continue
        beside.setdefault(repository, []).append((f"{prefix}{tag or name}", artifact.digest, False))
    for repository, words in beside.items():
        days = [(dated(date, name), target, True) for name, target, _ in words]
        yield place(repository, [*days, *words])
