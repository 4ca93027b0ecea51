"""Content trust in static files, served by a plain HTTPS server: what docker sees, pulls, and refuses."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from docker_judge import Docker, files_served, has_trust, host
from places import Place
from trusting import Publisher, past, some, to_files

from certificates import issue
from imagemill.oci import Descriptor, write_image
from imagemill.trust.draft import Lifetimes
from imagemill.trust.founding import found
from imagemill.trust.keys import generate, public_der
from imagemill.trust.repository import Repository

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(bool(has_trust()), reason=has_trust() or "docker is there"),
]
_numbers = count(1)
__all__ = ["host"]


@dataclass(frozen=True)
class World:
    """Files that are served, a registry beside them, and a repository that is nobody's yet."""

    served: Path
    address: str
    registry: str
    gun: str
    folder: Path
    environ: Mapping[str, str]

    @property
    def files(self) -> Path:
        """The metadata."""
        return self.served / "v2" / self.gun / "_trust" / "tuf"

    def publisher(self, name: str = "publisher") -> Publisher:
        """Somebody with a trust directory."""
        return Publisher(self.folder / name, to_files(self.served))

    def docker(self, name: str, host: str = "") -> Docker:
        """A user of docker."""
        config = self.folder / f"docker-{name}"
        config.mkdir(exist_ok=True)
        environ = {**self.environ, "DOCKER_CONTENT_TRUST_SERVER": self.address, "DOCKER_HOST": host}
        return Docker(environ, config)

    def pushed(self, tag: str) -> Descriptor:
        """An image in the registry, under a tag."""
        image = self.folder / f"image-{tag}"
        config = {"os": "linux", "architecture": "amd64", "config": {"Labels": {"tag": f"{self.gun}:{tag}"}}}
        descriptor = write_image(image, config, [], tag)
        argv = ["crane", "push", "--insecure", str(image), f"{self.gun}:{tag}"]
        subprocess.run(argv, env=dict(self.environ), capture_output=True, check=True)
        return descriptor


@pytest.fixture(scope="session")
def served(authorities: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("served")
    with files_served(folder, issue(authorities, "files", "127.0.0.1", "localhost")) as address:
        yield folder, address


@pytest.fixture
def world(served: tuple[Path, str], plain_place: Place, authorities: Path, tmp_path: Path) -> World:
    environ = {**plain_place.environ, "SSL_CERT_FILE": str(authorities / "ca.crt")}
    gun = f"{plain_place.host}/trust/{next(_numbers)}"
    return World(*served, plain_place.host, gun, tmp_path, environ)


@pytest.fixture
def repository(world: World) -> Repository:
    made = world.publisher().repository(world.gun)
    found(made)
    return made


PRETTY = """
Signatures for {gun}

SIGNED TAG   DIGEST                                                             SIGNERS
1            {digest}   (Repo Admin)

Administrative keys for {gun}

  Repository Key:\t{targets}
  Root Key:\t{root}
"""


def test_docker_shows_what_the_readme_shows(world: World, repository: Repository) -> None:
    trusted = repository.sign(some(["1"]))
    done = world.docker("somebody").run("trust", "inspect", "--pretty", world.gun)
    keys = {role: trusted.root.roles[role].keyids[0] for role in ("targets", "root")}
    assert done.stdout == PRETTY.format(gun=world.gun, digest="ab" * 32, **keys)


def test_a_long_name_is_in_the_certificate_whole(world: World) -> None:
    gun = f"{world.gun}/{'a' * 100}"
    repository = world.publisher().repository(gun)
    found(repository)
    repository.sign(some(["1"]))
    assert list(world.docker("somebody").tags(gun)) == ["1"]


def test_docker_pulls_what_is_signed_and_nothing_else(world: World, repository: Repository, host: str) -> None:
    first, second = world.pushed("1"), world.pushed("2")
    repository.sign({"1": (first.digest, first.size)})
    docker = world.docker("somebody", host)
    done = docker.run("pull", f"{world.gun}:1")
    assert done.returncode == 0 and first.digest in done.stdout, done.stderr
    done = docker.run("pull", f"{world.gun}:2")
    assert done.returncode == 1 and "No valid trust data for 2" in done.stderr
    subprocess.run(
        ["crane", "tag", "--insecure", f"{world.gun}@{second.digest}", "1"], env=dict(world.environ), check=True,
        capture_output=True,
    )  # fmt: skip
    done = docker.run("pull", f"{world.gun}:1")  # the tag was moved, its signature was not
    assert done.returncode == 0 and first.digest in done.stdout, done.stderr


def test_docker_pulls_what_only_a_delegation_signed(world: World, repository: Repository, host: str) -> None:
    image, alice = world.pushed("1"), generate("alice")
    repository.delegate("alice", alice.public_key)
    private = world.folder / "ci" / "private"
    private.mkdir(parents=True)
    for named in repository.keyring.listed():
        if named.role in ("snapshot", "timestamp"):
            shutil.copy(named.path, private)
    world.publisher("ci").repository(world.gun, alice).sign({"1": (image.digest, image.size)})
    docker = world.docker("somebody", host)
    assert docker.tags(world.gun) == {"1": (image.digest.removeprefix("sha256:"), ["alice"])}
    signers = docker.trusted(world.gun)["Signers"]
    assert [row["Name"] for row in signers] == ["alice"]
    done = docker.run("pull", f"{world.gun}:1")
    assert done.returncode == 0 and image.digest in done.stdout, done.stderr


def test_keys_that_docker_made_sign_here(world: World, repository: Repository) -> None:
    docker = world.docker("alice")
    environ = {**docker.environ, "DOCKER_CONFIG": str(docker.config)}
    environ["DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE"] = "passphrase of tests"
    argv = ["docker", "trust", "key", "generate", "alice", "--dir", str(world.folder)]
    subprocess.run(argv, env=environ, capture_output=True, check=True)
    repository.delegate("alice", public_der((world.folder / "alice.pub").read_bytes(), "alice.pub"))
    (own,) = (docker.config / "trust" / "private").glob("*.key")
    shutil.copy(own, world.publisher().trust / "private")
    world.publisher().repository(world.gun).sign(some(["1"]))
    assert docker.tags(world.gun)["1"][1] == ["alice"]


CHANGES: dict[str, Callable[[Repository], object]] = {
    "root": lambda repository: repository.rotate("root"),
    "root three times": lambda repository: [repository.rotate("root") for _ in range(3)],
    "targets": lambda repository: repository.rotate("targets"),
    "snapshot": lambda repository: repository.rotate("snapshot"),
    "timestamp": lambda repository: repository.rotate("timestamp"),
    "refreshed": lambda repository: repository.refresh(["targets", "snapshot"]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_who_saw_it_before_follows(
    world: World, repository: Repository, change: Callable[[Repository], object]
) -> None:
    repository.sign(some(["1"]))
    cached = world.docker("cached")
    assert list(cached.tags(world.gun)) == ["1"]
    change(repository)
    repository.sign(some(["2"]))
    for seen in (cached, world.docker("fresh")):
        assert list(seen.tags(world.gun)) == ["1", "2"]


EXPIRED = {
    "timestamp": "Metadata for timestamp expired",
    "snapshot": "Metadata for snapshot expired",
    "targets": "Metadata for targets expired",
    "root": "no signatures or cannot access",
}


@pytest.mark.parametrize("role", EXPIRED)
def test_docker_refuses_what_expired(world: World, role: str) -> None:
    lifetimes = Lifetimes(**{role: 5})
    late = world.publisher().repository(world.gun, lifetimes=lifetimes, clock=past(6))
    found(late)
    late.sign(some(["1"]))
    done = world.docker("somebody").run("trust", "inspect", world.gun)
    assert done.returncode == 1 and EXPIRED[role] in done.stderr, done
    publisher = world.publisher().repository(world.gun)
    if role != "root":
        publisher.refresh(["targets", "snapshot"])
        assert list(world.docker("another").tags(world.gun)) == ["1"]


def _another_root(world: World, repository: Repository) -> None:
    """Somebody who has the server, and none of the keys, begins anew."""
    shutil.rmtree(world.files)
    other = world.publisher("thief").repository(world.gun)
    found(other)
    other.rotate("root")
    other.sign(some(["1"], "66"))


def _no_file(world: World, repository: Repository) -> None:
    for path in world.files.rglob("snapshot.*.json"):
        path.unlink()


def _changed_byte(world: World, repository: Repository) -> None:
    for path in world.files.glob("targets.*.json"):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data.replace(b'"length":7', b'"length":8'))


def _swapped(world: World, repository: Repository) -> None:
    """Targets of another repository with the same keys' names, signed by nobody who may."""
    other = Publisher(world.folder / "thief", to_files(world.folder / "elsewhere")).repository(world.gun)
    found(other)
    other.sign(some(["1"], "66"))
    source = world.folder / "elsewhere" / "v2" / world.gun / "_trust" / "tuf"
    for path in [*source.glob("timestamp.json"), *source.glob("snapshot.*.json"), *source.glob("targets.*.json")]:
        shutil.copy(path, world.files)


FORGERIES: dict[str, tuple[Callable[[World, Repository], None], str]] = {
    "another root": (_another_root, "could not rotate trust to a new trusted root"),
    "a file is missing": (_no_file, "trust data unavailable"),
    "a byte is another": (_changed_byte, "sha256 checksum for targets did not match"),
    "all but the root is somebody else's": (_swapped, "valid signatures did not meet threshold for timestamp"),
}


@pytest.mark.parametrize(("forge", "said"), FORGERIES.values(), ids=FORGERIES)
def test_docker_refuses_what_is_forged(
    world: World, repository: Repository, forge: Callable[[World, Repository], None], said: str, host: str
) -> None:
    repository.sign(some(["1"]))
    docker = world.docker("somebody", host)
    assert list(docker.tags(world.gun)) == ["1"]
    repository.sign(some(["1", "2"], "cd"))
    forge(world, repository)
    done = docker.run("pull", f"{world.gun}:1")
    assert done.returncode == 1 and said in done.stderr, done
