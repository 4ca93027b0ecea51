"""Content trust on a notary server with PostgreSQL, as docker's and notary's own programs see it."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from docker_judge import Docker, has_trust, host
from places import Place
from trusting import PASSPHRASE, Publisher, some, to_notary

from imagemill.errors import TrustError
from imagemill.oci import write_image
from imagemill.trust.founding import found
from imagemill.trust.keys import generate
from imagemill.trust.reader import Anchor, read
from imagemill.trust.repository import Repository
from imagemill.trust.store import Unsigned
from notary_server import Notary as Server

pytestmark = pytest.mark.engine
_numbers = count(1)
__all__ = ["host"]


@dataclass(frozen=True)
class World:
    """A notary server, a repository on it that is nobody's yet, and who works there."""

    server: Server
    place: Place
    gun: str
    folder: Path

    @property
    def environ(self) -> Mapping[str, str]:
        """Of the publisher."""
        return {**self.place.environ, "DOCKER_CONTENT_TRUST_SERVER": self.server.address}

    def publisher(self, name: str = "publisher", user: str = "publisher") -> Publisher:
        """Somebody with a trust directory, logged in as a user."""
        store = to_notary(self.server.address, self.place.as_user(user, self.folder / name))
        return Publisher(self.folder / name / "trust", store)

    def docker(self, name: str, host: str = "") -> Docker:
        """A user of docker, logged in as the publisher."""
        config = Path(self.place.as_user("publisher", self.folder / name)["DOCKER_CONFIG"])
        return Docker({**self.environ, "DOCKER_HOST": host}, config)

    def notary(self, trust: Path, *words: str, check: bool = True) -> str:
        """What notary's program prints."""
        file = self.folder / "client.json"
        remote = {"url": self.server.address, "root_ca": self.environ["SSL_CERT_FILE"]}
        file.write_text(json.dumps({"trust_dir": str(trust), "remote_server": remote}))
        login = base64.b64encode(f"publisher:{self.place.users['publisher']}".encode()).decode()
        roles = ("ROOT", "TARGETS", "SNAPSHOT", "DELEGATION")
        environ = {**self.environ, "NOTARY_AUTH": login, **{f"NOTARY_{r}_PASSPHRASE": PASSPHRASE for r in roles}}
        argv = ["notary", "-c", str(file), *words]
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stderr + done.stdout
        return done.stdout + done.stderr


@pytest.fixture
def world(trust_server: Server, place: Place, tmp_path: Path) -> World:
    return World(trust_server, place, f"{place.host}/notary/{next(_numbers)}", tmp_path)


@pytest.fixture
def repository(world: World) -> Repository:
    made = world.publisher().repository(world.gun)
    found(made)
    return made


needs_docker = pytest.mark.skipif(bool(has_trust()), reason=has_trust() or "docker is there")


@needs_docker
def test_docker_shows_what_was_signed(world: World, repository: Repository) -> None:
    repository.sign(some(["1", "2"]))
    repository.sign(some(["2", "3"], "cd"))
    seen = world.docker("somebody")
    admin = ["Repo Admin"]
    assert seen.tags(world.gun) == {"1": ("ab" * 32, admin), "2": ("cd" * 32, admin), "3": ("cd" * 32, admin)}
    keys = {row["Name"]: [key["ID"] for key in row["Keys"]] for row in seen.trusted(world.gun)["AdministrativeKeys"]}
    root = repository.read().root
    assert keys == {"Root": root.roles["root"].keyids, "Repository": root.roles["targets"].keyids}


@needs_docker
def test_docker_pulls_what_is_signed_and_nothing_else(world: World, repository: Repository, host: str) -> None:
    image = write_image(world.folder / "image", {"os": "linux", "architecture": "amd64", "config": {}}, [], "x")
    for tag in "12":
        argv = ["crane", "push", str(world.folder / "image"), f"{world.gun}:{tag}"]
        subprocess.run(argv, env=dict(world.environ), capture_output=True, check=True)
    repository.sign({"1": (image.digest, image.size)})
    docker = world.docker("somebody", host)
    done = docker.run("pull", f"{world.gun}:1")
    assert done.returncode == 0 and image.digest in done.stdout, done.stderr
    done = docker.run("pull", f"{world.gun}:2")
    assert done.returncode == 1 and "No valid trust data for 2" in done.stderr


CHANGES: dict[str, Callable[[Repository], object]] = {
    "root": lambda repository: repository.rotate("root"),
    "root twice": lambda repository: (repository.rotate("root"), repository.rotate("root")),
    "targets": lambda repository: repository.rotate("targets"),
    "snapshot": lambda repository: repository.rotate("snapshot"),
    "timestamp": lambda repository: repository.rotate("timestamp"),
}


@needs_docker
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_who_saw_it_before_follows_a_rotation(
    world: World, repository: Repository, change: Callable[[Repository], object]
) -> None:
    repository.sign(some(["1"]))
    cached = world.docker("cached")
    assert list(cached.tags(world.gun)) == ["1"]
    change(repository)
    repository.sign(some(["2"]))
    for seen in (cached, world.docker("fresh")):
        assert list(seen.tags(world.gun)) == ["1", "2"]


@needs_docker
def test_a_delegation_signs_alone(world: World, repository: Repository) -> None:
    repository.sign(some(["1"]))
    alice = generate("alice")
    repository.delegate("alice", alice.public_key)
    ci = world.publisher("ci").repository(world.gun, alice)  # with neither root nor repository key
    ci.sign(some(["2"], "cd"))
    expected = {"1": ("ab" * 32, ["Repo Admin"]), "2": ("cd" * 32, ["alice"])}
    assert world.docker("somebody").tags(world.gun) == expected
    with pytest.raises(TrustError, match="nobody but alice signs 2"):
        repository.undelegate("alice")
    repository.undelegate("alice", adopt=True)
    assert world.docker("another").tags(world.gun)["2"] == ("cd" * 32, ["Repo Admin"])
    with pytest.raises(TrustError, match="which is not here"):
        ci.sign(some(["3"]))
    repository.delegate("alice", alice.public_key)  # versions go on where they were
    ci.sign(some(["4"]))
    assert world.docker("third").tags(world.gun)["4"] == ("ab" * 32, ["alice"])


def test_notary_reads_and_continues_what_was_signed_here(world: World, repository: Repository) -> None:
    trust = world.publisher().trust
    repository.sign(some(["1"]))
    assert "ab" * 32 in world.notary(trust, "list", world.gun)
    world.notary(trust, "addhash", "-p", world.gun, "2", "7", "--sha256", "cd" * 32)
    assert set(repository.read().tags) == {"1", "2"}
    listed = world.notary(trust, "key", "list")
    assert all(named.id in listed for named in repository.keyring.listed())


def test_what_notary_began_is_continued_here(world: World) -> None:
    publisher = world.publisher()
    world.notary(publisher.trust, "init", "-p", world.gun)  # the snapshot key is the client's then
    world.notary(publisher.trust, "addhash", "-p", world.gun, "1", "7", "--sha256", "ab" * 32)
    repository = publisher.repository(world.gun)
    repository.sign(some(["2"]))
    repository.rotate("snapshot")
    assert set(repository.sign(some(["3"])).tags) == {"1", "2", "3"}
    assert "ab" * 32 in world.notary(publisher.trust, "lookup", world.gun, "3")


def test_publishers_at_once_lose_nothing(world: World, repository: Repository) -> None:
    failed: list[Exception] = []

    def publish(name: str, mine: Repository) -> None:
        try:
            for number in range(6):
                mine.sign(some([f"{name}{number}"]))
        except TrustError as error:
            failed.append(error)

    publisher = world.publisher()
    threads = [threading.Thread(target=publish, args=(name, publisher.repository(world.gun))) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert set(repository.read().tags) == {f"{name}{number}" for name in "abc" for number in range(6)}


def test_only_who_may_writes(world: World, repository: Repository) -> None:
    repository.sign(some(["1"]))
    for user in ("reader", ""):
        visitor = world.publisher(f"visitor {user}", user)
        assert set(visitor.repository(world.gun).read().tags) == {"1"}
        keys = Publisher(world.publisher().trust, visitor.store).repository(world.gun)
        with pytest.raises(TrustError, match="401"):
            keys.sign(some(["2"]))


def test_what_is_not_there(world: World) -> None:
    with pytest.raises(Unsigned):
        world.publisher().repository(world.gun).read()


def test_a_repository_is_founded_once(world: World, repository: Repository) -> None:
    with pytest.raises(TrustError, match="has trust metadata already"):
        found(repository)


def test_a_server_that_was_killed_loses_nothing(world: World, repository: Repository) -> None:
    repository.sign(some(["1"]))
    world.server.kill()
    with pytest.raises(TrustError):
        repository.sign(some(["2"]))
    world.server.start()
    repository.sign(some(["2"]))
    fresh = read(world.publisher("stranger", "").store(world.gun), Anchor(), repository.clock())
    assert set(fresh.tags) == {"1", "2"}


def test_killed_at_any_instant_no_signed_tag_is_lost(world: World, repository: Repository) -> None:
    signed: set[str] = set()
    for number, delay in enumerate((0.0, 0.03, 0.06, 0.1, 0.15, 0.25)):
        killer = threading.Timer(delay, world.server.server.kill)
        killer.start()
        with suppress(TrustError):
            for step in range(20):
                repository.sign(some([f"{number}-{step}"]))
                signed.add(f"{number}-{step}")
        killer.join()
        world.server.server.start()
        assert signed <= set(repository.read().tags)
        repository.sign(some([f"{number}-after"]))
        signed.add(f"{number}-after")
    fresh = read(world.publisher("stranger", "").store(world.gun), Anchor(), repository.clock())
    assert signed <= set(fresh.tags)
