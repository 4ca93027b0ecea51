"""What is said of an image when it is published: how it was made, what is in it, and how it was judged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagemill import lock
from imagemill.attest.predicates import conformance, sboms, subjects
from imagemill.attest.provenance import Locked, Origin, provenance
from imagemill.attest.statement import Statement
from imagemill.dist import Artifact
from imagemill.oci import Descriptor
from imagemill.plan import Image
from imagemill.publish.names import Place
from imagemill.reports.summary import Report
from imagemill.sbom import Inventory


@dataclass(frozen=True)
class Evidence:
    """What statements are made from. `inventory` takes what is in one platform of an image."""

    root: Path
    report: Report
    origin: Origin
    inventory: Callable[[Image, Descriptor], Inventory]

    def of(self, place: Place, image: Image, artifact: Artifact) -> dict[str, list[Statement]]:
        """Digest -> the statements on it: of each platform those on itself, of the index those on all platforms.

        What the index shares with a platform is one statement on both, which is signed once.
        """
        repository = place.repository
        made = provenance(
            subjects(repository, [one.digest for one in place.digests]),
            image, artifact, locked(self.root, image.base.name), self.origin, _tags(place),
        )  # fmt: skip
        found: dict[str, list[Statement]] = {place.index.digest: [made]}
        for platform in place.platforms:
            both = subjects(repository, [platform.digest, place.index.digest])
            about = [
                *sboms(both, self.inventory(image, platform)),
                conformance(both, self.report, platform.digest),
            ]
            found[platform.digest] = [made, *about]
            found[place.index.digest] += about
        return found


def locked(root: Path, base: str) -> Locked:
    """The lock of a base, and the hash of its file."""
    path = lock.path_of(root, base)
    return Locked(lock.read(path), hashlib.sha256(path.read_bytes()).hexdigest())


def _tags(place: Place) -> dict[str, Sequence[str]]:
    """The tags that are moved from release to release, each with its platforms."""
    every = [platform.platform for platform in place.platforms]
    own = {platform.digest: [platform.platform] for platform in place.platforms}
    return {tag.name: own.get(tag.target, every) for tag in place.tags if not tag.fixed}
