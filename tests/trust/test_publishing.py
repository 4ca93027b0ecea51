"""Publishing to a real registry that is killed at any instant, fills up, or has two publishers.

After each fault what there is is looked at as a stranger would: never a tag without a signature, never a torn index,
never a signed tag that is lost; and the next run finishes the work.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from places import Place as Registry
from pushing import index_in

from imagemill.attest.attach import Sealer
from imagemill.attest.statement import PROVENANCE, Statement
from imagemill.dist import Dist
from imagemill.errors import ImagemillError
from imagemill.mirrors import Mirrors
from imagemill.oci import Descriptor, Layout
from imagemill.publish import order
from imagemill.publish.checking import checker
from imagemill.publish.means import Tools, created
from imagemill.publish.names import Place, Tag
from imagemill.publish.trusting import Trust
from imagemill.registry.repository import Repository
from imagemill.trust.founding import found
from imagemill.trust.keyring import Keyring
from imagemill.trust.keys import Key, generate
from imagemill.trust.memory import Memory
from imagemill.trust.passphrases import Passphrases
from imagemill.trust.repository import Repository as Trusted
from imagemill.trust.static import Static
from imagemill.web import Web
from registry import registry

pytestmark = pytest.mark.engine
KILLS = 50
KEY = generate()


class World:
    """A registry of our own, and images that are published to it; those of several `images` also beside it."""

    def __init__(self, place: Registry, folder: Path, seed: int = 0, images: int = 1) -> None:
        self.place, self.folder, self.dist = place, folder, Dist(folder / f"dist-{seed}")
        for number in range(images):
            index_in(self.dist.index(f"image-{number}"), 1, seed=seed * 100 + number)
        trust = folder / "trust"
        self.keyring = Keyring(trust, Passphrases({"DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE": "passphrase",
                                                   "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": "passphrase"}),
                               rounds=1000)  # fmt: skip
        self.trust = Trust(
            trust, self.keyring, lambda _: ("", str(folder / "metadata")), dict(place.environ), folder, lambda _: None
        )
        self.images = images

    def repository(self, name: str) -> Repository:
        """A repository, without patience: who waits for a registry that is gone would wait for the test."""
        home = Path(self.place.environ["HOME"])
        return Repository(Web(Mirrors(self.place.environ, home=home)), name, wait=lambda _: time.sleep(0.02))

    def places(self, name: str) -> list[Place]:
        """Where everything goes: to a repository of this name, and of several images to one beside it, too."""
        made = []
        for number in range(self.images):
            layout = Layout(self.dist.index(f"image-{number}"))
            (index,) = layout.entries()
            platforms = tuple(layout.images())
            for beside in ("", "-beside") if self.images > 1 else ("",):
                repository, image = f"{self.place.host}/{name}{beside}", f"image-{number}"
                tags = [Tag(repository, f"{image}-{one.platform[6:]}", image, one.digest) for one in platforms]
                tags.append(Tag(repository, image, image, index.digest))
                made.append(Place(repository, image, index, platforms, tuple(tags)))
        return made

    def found(self, name: str) -> None:
        """Make the trust metadata of the repositories of a name."""
        for repository in {place.repository for place in self.places(name)}:
            found(Trusted(Static(self.folder / "metadata", repository, lambda _: None), self.keyring,
                          Memory(self.folder / "trust", repository)))  # fmt: skip

    def tools(self, key: Key = KEY) -> Tools:
        """What publishing is done with."""
        sealer = Sealer(key)
        return Tools(
            self.dist, self.repository, sealer, lambda *_: 0, statements, self.trust.sign,
            checker(sealer.key), lambda _: None,
        )  # fmt: skip

    def publish(self, name: str) -> list[str]:
        """Publish, and return what went wrong."""
        places, means = self.places(name), self.tools().means()
        seen = order.look(places, means.repository, created, lambda _: "2026-11-21T00:00:00Z", set(), newer=True)
        return order.failed(order.publish(places, seen, means))

    def sound(self, name: str) -> set[str]:
        """All tags that there are; each is whole, signed, and known to Docker Content Trust, or this fails."""
        tags = set()
        for place in self.places(name):
            repository = self.repository(place.repository)
            trusted = Trusted(Static(self.folder / "metadata", place.repository, lambda _: None), self.keyring,
                              Memory(self.folder / "seen", place.repository)).read().tags  # fmt: skip
            for tag in place.tags:
                there = repository.head(tag.name)
                if there is None:
                    continue
                tags.add(str(tag))
                assert trusted[tag.name].digest == there.digest, f"{tag} is signed as something else"
                if there.digest == tag.target:
                    checker(Sealer(KEY).key)(repository, place, statements(place))
                    whole(repository, there)
        return tags

    def all_tags(self, name: str) -> set[str]:
        return {str(tag) for place in self.places(name) for tag in place.tags}


def whole(repository: Repository, entry: Descriptor) -> None:
    """Everything below a manifest or index is there."""
    data = json.loads(repository.manifest(entry.digest))
    for row in data.get("manifests", ()):
        whole(repository, Descriptor.from_json(row))
    for row in [data["config"], *data["layers"]] if "config" in data else []:
        assert repository.has_blob(row["digest"])


def statements(place: Place) -> Sequence[Statement]:
    """One statement on an image, and one on each of its platforms."""
    every = dict.fromkeys([one.digest for one in place.digests], place.repository)
    each = [{one.digest: place.repository} for one in place.platforms]
    return [
        Statement(every, PROVENANCE, {"image": place.image}),
        *(Statement(one, "https://example.com/x", {}) for one in each),
    ]


@pytest.fixture
def world(judges: Path, tmp_path: Path) -> Iterator[World]:
    with registry(judges / "docker-registry", tmp_path / "registry") as service:
        yield World(Registry(service, {**os.environ, "HOME": str(tmp_path)}, tmp_path), tmp_path)


def test_a_registry_that_is_killed_at_random_instants_has_no_tag_that_is_not_whole_and_signed(world: World) -> None:
    began = time.monotonic()
    world.found("first")
    assert world.publish("first") == []
    usual = time.monotonic() - began
    broken, numbers = 0, random.Random(21)  # noqa: S311 - instants
    for number in range(KILLS):
        name = f"killed-{number}"
        world.found(name)
        with _killed(world.place, numbers.uniform(0, usual)):
            try:
                wrong = world.publish(name)
            except ImagemillError:
                wrong = ["not even looked at"]
        there = world.sound(name)
        if wrong:
            broken += 1
            assert world.publish(name) == []
            assert there <= world.sound(name)  # no signed tag is lost
        assert world.sound(name) == world.all_tags(name)
    print(f"{KILLS} kills of the registry, {broken} of them broke the run")
    assert broken >= KILLS // 10, "hardly any kill came in time: the test says little"


def test_a_publisher_that_is_killed_at_random_instants_leaves_no_tag_that_is_not_whole_and_signed(world: World) -> None:
    began = time.monotonic()
    world.found("first")
    assert world.publish("first") == []
    usual, broken, numbers = time.monotonic() - began, 0, random.Random(7)  # noqa: S311 - instants
    for number in range(KILLS // 2):
        name = f"ended-{number}"
        world.found(name)
        child = os.fork()
        if child == 0:  # pragma: no cover - it ends itself
            try:
                os._exit(len(world.publish(name)))
            except BaseException:
                os._exit(99)
        time.sleep(numbers.uniform(0, usual))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        broken += os.WIFSIGNALED(status)
        there = world.sound(name)
        assert world.publish(name) == []
        assert there <= world.sound(name) == world.all_tags(name)
    print(f"{KILLS // 2} publishers killed, {broken} of them before they were done")
    assert broken >= KILLS // 8


def test_two_publishers_at_once_leave_every_tag_whole_and_signed(world: World, tmp_path: Path) -> None:
    world, other = (World(world.place, tmp_path, seed=seed, images=2) for seed in (1, 2))
    world.found("both")
    wrong: dict[int, list[str]] = {}
    threads = [
        threading.Thread(target=lambda number=number, one=one: wrong.update({number: one.publish("both")}))
        for number, one in enumerate((world, other))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(
        "somebody else" in line or "signed as something else" in line for lines in wrong.values() for line in lines
    )
    assert other.publish("both") == []
    assert other.sound("both") == other.all_tags("both")
    assert world.publish("both") == []
    assert world.sound("both") == world.all_tags("both")


def test_a_registry_that_is_full_gets_no_tag_and_the_next_run_finishes(judges: Path, tmp_path: Path) -> None:
    with registry(judges / "docker-registry", tmp_path / "registry") as service:
        world = World(Registry(service, {**os.environ, "HOME": str(tmp_path)}, tmp_path), tmp_path, images=2)
        world.found("full")
        assert service.pid is not None
        # as a disk with little room left: small files can be written, layers cannot
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        wrong = world.publish("full")
        assert len(wrong) == len(world.places("full")), wrong
        assert world.sound("full") == set()
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert world.publish("full") == []
        assert world.sound("full") == world.all_tags("full")


@contextmanager
def _killed(place: Registry, after: float) -> Iterator[None]:
    """Inside the block the registry is killed once, and comes back soon."""

    def kill() -> None:
        time.sleep(after)
        place.service.kill()
        time.sleep(0.1)
        place.service.start()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        thread.join()
