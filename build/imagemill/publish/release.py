"""One release: what is published of a checkout, by whom, and what is written down of it."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path

from imagemill import __version__, lock
from imagemill.attest import notation
from imagemill.attest.attach import Sealer
from imagemill.attest.image import inventories, statements
from imagemill.attest.provenance import Locked, Origin
from imagemill.attest.statement import Statement
from imagemill.dist import Artifact, Dist
from imagemill.errors import PublishError, RevisionError
from imagemill.oci import Layout
from imagemill.plan import Image
from imagemill.publish import names, order, record
from imagemill.publish.checking import checker
from imagemill.publish.ecr import Hosting
from imagemill.publish.means import Tools, created, made
from imagemill.publish.names import Place
from imagemill.publish.order import Now, Outcome
from imagemill.publish.settings import Destination
from imagemill.publish.trusting import Trust
from imagemill.registry.names import parse
from imagemill.registry.repository import Repository
from imagemill.reports.summary import Report
from imagemill.sbom import Inventory
from imagemill.spool import Layers
from imagemill.trust.signer import Signer


@dataclass(frozen=True)
class Release:
    """What is published: images with their artifacts, to `destinations`, under a `date`.

    `open` opens a repository by its name, `hosting` has one made where a registry wants that; `records` is the folder
    of what was released before, `scratch` one to work in.
    """

    root: Path
    dist: Dist
    images: Sequence[Image]
    artifacts: Mapping[str, Artifact]
    destinations: Sequence[Destination]
    date: str
    report: Report
    origin: Origin
    records: Path
    scratch: Path
    open: Callable[[str], Repository]
    hosting: Hosting
    say: Callable[[str], None]
    certificates: bytes = b""
    """Of the key that signs, in PEM: with them it signs for notation, too."""

    def places(self) -> list[Place]:
        """Where everything goes: the images' own repositories first, so that aliases can have blobs from there."""
        found = [place for image in self.images for one in self.destinations for place in self._of(image, one)]
        own = {one.to for one in self.destinations}
        return sorted(found, key=lambda place: place.repository not in own)

    def look(self, places: Sequence[Place], *, newer: bool) -> list[Now]:
        """What all tags are now; PublishError with those that may not be moved."""
        times = {one.digest: made(self.dist, place, one.digest) for place in places for one in place.digests}
        known = record.known_digests(self.records)
        return order.look(places, cache(self.open), created, lambda digest: times[digest], known, newer=newer)

    def publish(self, places: Sequence[Place], seen: Sequence[Now], signer: Signer, trust: Trust) -> list[Outcome]:
        """Publish, and write down what was. What failed is in the outcomes."""
        for repository in dict.fromkeys(place.repository for place in places):
            trust.ready(repository)
        for one in self.destinations:
            beside = f"{one.to.rpartition('/')[0]}/"
            wanted = {place.repository for place in places if place.repository.startswith(beside)}
            self.hosting.prepare(one, sorted(wanted))
        outcomes = order.publish(places, seen, self._tools(signer, trust).means())
        if whole := [one for one in outcomes if not one.error]:
            path = record.write(self.records, self._record(whole, signer, trust), signer)
            self.say(f"recorded in {path}")
        return outcomes

    def _of(self, image: Image, destination: Destination) -> list[Place]:
        layout = Layout(self.dist.index(image.name))
        [index] = layout.entries()
        platforms = sorted(layout.images(), key=lambda one: one.platform)
        plain = replace(index, annotations={}, platform="")
        return list(names.places(self.artifacts[image.name], plain, platforms, image, destination, self.date))

    @cached_property
    def pins(self) -> Mapping[str, Locked]:
        """The locks of the images' bases."""
        return {base: locked(self.root, base) for base in {image.base.name for image in self.images}}

    def _tools(self, signer: Signer, trust: Trust) -> Tools:
        sealer = Sealer(signer)
        return Tools(
            self.dist, self.open, sealer, for_notation(signer, self.certificates), Statements(self),
            trust.sign, checker(sealer.key), self.say,
        )  # fmt: skip

    def _record(self, outcomes: Sequence[Outcome], signer: Signer, trust: Trust) -> record.Release:
        """What is written down of these outcomes."""
        images: dict[str, record.Released] = {}
        by_name = {image.name: image for image in self.images}
        for one in outcomes:
            artifact, image = self.artifacts[one.place.image], by_name[one.place.image]
            before = images.get(artifact.name)
            signed = record.signed_by(signer, trust.place_of(one.place.repository))
            images[artifact.name] = record.Released(
                artifact.digest,
                {platform: built.digest for platform, built in artifact.platforms.items()},
                {platform: built.size for platform, built in artifact.platforms.items()},
                artifact.input_hash,
                self.pins[image.base.name].sha256,
                (*(before.tags if before else ()), *(str(tag) for tag in one.place.tags)),
                tuple(sorted({*signed, *(before.signatures if before else ())})),
            )
        return record.Release(record.FORMAT, self.date, __version__, self.origin.revision, images)


class Statements:
    """What is said of an image at a place; what is in it is looked up once for all places. Threads may share it."""

    def __init__(self, release: Release) -> None:
        self._release = release
        self._images = {image.name: image for image in release.images}
        self._inventories: dict[str, list[Inventory]] = {}
        self._locks = {image.name: threading.Lock() for image in release.images}

    def __call__(self, place: Place) -> list[Statement]:
        """The statements on an image in the repository of a place."""
        release, image = self._release, self._images[place.image]
        artifact, pins = release.artifacts[image.name], release.pins[image.base.name]
        with self._locks[image.name]:
            if image.name not in self._inventories:
                release.say(f"{image.name}: what is in it")
                with Layers(release.scratch / f"sbom-{image.name}") as layers:
                    layout = release.dist.index(image.name)
                    self._inventories[image.name] = inventories(layout, image, artifact, pins, layers)
        every = [platform.platform for platform in place.platforms]
        own = {platform.digest: [platform.platform] for platform in place.platforms}
        tags = {tag.name: own.get(tag.target, every) for tag in place.tags if not tag.fixed}
        name = parse(place.repository)
        assert name is not None  # noqa: S101 - settings let pass nothing else
        return statements(
            name.repository, image, artifact, pins, release.origin, tags, release.report, self._inventories[image.name]
        )


def for_notation(signer: Signer, certificates: bytes) -> Callable[[Repository, Sequence[str]], int]:
    """What signs digests for notation, too, with the key's certificates in PEM; nothing without them."""
    if not certificates:
        return lambda repository, digests: 0
    chain = notation.Chain.from_pem(certificates, signer)
    return lambda repository, digests: notation.sign(repository, digests, signer, chain, datetime.now(UTC))


def locked(root: Path, base: str) -> Locked:
    """The lock of a base, and the hash of its file."""
    path = lock.path_of(root, base)
    return Locked(lock.read(path), hashlib.sha256(path.read_bytes()).hexdigest())


def origin(root: Path, repository: str, revision: str, builder: str, environ: Mapping[str, str]) -> Origin:
    """Where the images come from: what is given, else what git says of the checkout. Raises RevisionError.

    `builder` is a URI of who builds. A checkout with changes that are in no revision makes what nobody can make again.
    """

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, env=dict(environ), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RevisionError(
                f"git {' '.join(words)} in {root}: {done.stderr.strip()}", "give --source and --revision"
            )
        return done.stdout.strip()

    if not revision:
        changed = git("status", "--porcelain", "--untracked-files=no")
        if changed:
            raise PublishError(
                f"{root} has changes that are in no revision:\n{changed}", "commit them, or give --revision"
            )
        revision = git("rev-parse", "HEAD")
    return Origin(_address(repository or git("remote", "get-url", "origin")), revision, builder)


def _address(remote: str) -> str:
    """The address of a repository as everybody can read it: without what lets one write to it."""
    if remote.startswith("git@"):
        host, _, path = remote.removeprefix("git@").partition(":")
        remote = f"https://{host}/{path}"
    scheme, separator, rest = remote.removesuffix(".git").partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
