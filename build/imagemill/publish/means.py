"""What publishing does to registries and notaries, by the modules that can do it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from imagemill.attest.attach import Sealer
from imagemill.attest.image import attach_all
from imagemill.attest.statement import Statement
from imagemill.dist import Dist
from imagemill.errors import PublishError
from imagemill.oci import ANNOTATION, Descriptor, Layout
from imagemill.publish import order
from imagemill.publish.names import Place
from imagemill.publish.order import Means, Outcome
from imagemill.registry.push import push
from imagemill.registry.repository import Repository

CREATED = f"{ANNOTATION}created"
Trust = Callable[[str, Mapping[str, Descriptor]], None]


@dataclass
class Tools:
    """Everything that `Means` is made of.

    `open` opens a repository by its name, `statements` are those on an image, `also` signs digests in another way, too,
    and `verify` raises where what is there is not what was meant.
    """

    dist: Dist
    open: Callable[[str], Repository]
    sealer: Sealer
    also: Callable[[Repository, Sequence[str]], int]
    statements: Callable[[Place], Sequence[Statement]]
    trust: Trust
    verify: Callable[[Repository, Place, Sequence[Statement]], None]
    say: Callable[[str], None]
    _repositories: dict[str, Repository] = field(default_factory=dict)
    _homes: dict[str, list[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def means(self) -> Means:
        """The means of `order.publish`."""
        return Means(self._repository, self._push, self._sign, self.trust, self._check, self._manifest, self.say)

    def _repository(self, name: str) -> Repository:
        with self._lock:
            if name not in self._repositories:
                self._repositories[name] = self.open(name)
            return self._repositories[name]

    def _push(self, place: Place, outcome: Outcome) -> None:
        """Send what is not there; what another repository of the registry has is had from there."""
        repository = self._repository(place.repository)
        homes = [self._repository(name) for name in self._homes.get(place.image, ()) if name != place.repository]
        paths = [home.name.partition("/")[2] for home in homes if home.host == repository.host]
        layout = Layout(self.dist.index(place.image))
        pushed = push(layout, place.index, repository, mount_from=paths, say=self.say)
        self._homes.setdefault(place.image, []).append(place.repository)
        outcome.sent, outcome.bytes = pushed.sent, pushed.bytes
        outcome.mounted, outcome.there = pushed.mounted, pushed.there

    def _sign(self, place: Place, outcome: Outcome) -> Sequence[Statement]:
        digests, said = [one.digest for one in place.digests], self.statements(place)
        repository = self._repository(place.repository)
        outcome.signed += attach_all(repository, digests, said, self.sealer)
        outcome.signed += self.also(repository, digests)
        return said

    def _check(self, place: Place, said: Sequence[Statement]) -> None:
        """Look anew, over connections of its own, at what others will find."""
        repository = self.open(place.repository)
        for one in place.digests:
            there = repository.head(one.digest)
            if there is None or there.digest != one.digest:
                raise PublishError(
                    f"{place.repository} does not have {one.digest} after it was sent",
                    "look why the registry loses it; no tag was moved",
                )
        self.verify(repository, place, said)

    def _manifest(self, place: Place, digest: str) -> tuple[str, bytes]:
        entry = next(one for one in place.digests if one.digest == digest)
        return entry.media_type, Layout(self.dist.index(place.image)).read_blob(digest)


def created(repository: order.Repository, digest: str) -> str:
    """When an image in a registry was made, as its annotations say; empty where they say nothing."""
    return _created(repository.manifest(digest))


def made(dist: Dist, place: Place, digest: str) -> str:
    """When an image in dist was made."""
    return _created(Layout(dist.index(place.image)).read_blob(digest))


def _created(manifest: bytes) -> str:
    try:
        return str((json.loads(manifest).get("annotations") or {}).get(CREATED, ""))
    except (ValueError, AttributeError):
        return ""
