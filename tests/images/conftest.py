"""What image tests run with: something that runs images, a Docker daemon, buildah.

What is missing skips the tests that need it and says why; on a Debian where this is root nothing may be
missing, since tests/engines.sh installs it there, so it fails instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import containerd_docker
import dotnet_functions
import pytest
from stage import FUNCTIONS, IMAGES, ROOT, Behaved, Loaded, Open, lambda_client, started

import daemons
from imagemill.dist import Artifact, Dist
from imagemill.engine import containers, docker
from imagemill.errors import EngineError, ImagemillError
from imagemill.factory import Paths
from imagemill.mirrors import Mirrors
from imagemill.plan import Image
from imagemill.platforms import native
from imagemill.progress import Silent
from imagemill.reports import Behaviour, behaviours
from imagemill.reports.summary import Outcome
from imagemill.workshop import Workshop


def missing(what: str) -> NoReturn:
    """Skip for want of `what`, or fail where `make test` could have installed it."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        pytest.fail(f"{what}; run tests/engines.sh, which installs it")
    pytest.skip(f"{what}; tests/engines.sh says how to install it")


@pytest.fixture(scope="session")
def workshop() -> Workshop:
    """The checkout's own dist, which `make images` has filled."""
    return Workshop(
        Paths(ROOT, ROOT / ".imagemill"), Dist(ROOT / "dist"), Mirrors.discover(os.environ), Silent(), os.environ
    )


@pytest.fixture(scope="session", autouse=True)
def compiled_csharp(workshop: Workshop) -> None:
    """The functions of .NET, where an image is to run them."""
    if any(image.runtime.family == "dotnet" for image in IMAGES):
        dotnet_functions.compile_all(ROOT, workshop.paths.state)


@pytest.fixture(scope="session")
def artifacts(workshop: Workshop) -> dict[str, Artifact]:
    """What is built, by the image's name."""
    found = workshop.dist.read()
    missing = [image.name for image in IMAGES if image.name not in found]
    assert not missing, f"not built: {missing}; run `make images`"
    return found


@pytest.fixture(scope="session")
def loaded(workshop: Workshop, runner: containers.Runner, artifacts: dict[str, Artifact]) -> Loaded:
    """The local name of an image, which is loaded when it is first asked for."""
    return Loaded(workshop, runner, artifacts)


@pytest.fixture(scope="session")
def behaved(artifacts: dict[str, Artifact]) -> Iterator[Behaved]:
    """Notes what functions do in images of this machine's platform; in the end it is left in dist, for reports."""
    platform = str(native())
    found: list[Behaviour] = []

    def note(image: Image, case: str, status: Outcome, reason: str = "") -> None:
        digest = artifacts[image.name].platforms[platform].digest
        found.append(Behaviour(image.runtime.name, image.name, platform, digest, case, status, reason[:2000]))

    yield note
    behaviours.write(Dist(ROOT / "dist").behaviours, found)


@pytest.fixture(scope="session")
def runner() -> containers.Runner:
    """Docker when its daemon answers, else podman."""
    found = containers.find(os.environ)
    if found is None:
        missing("nothing here runs images: no Docker daemon answers and there is no podman")
    return found


@pytest.fixture
def stay_open(runner: containers.Runner, loaded: Loaded) -> Open:
    """Start a container that stays open: `with stay_open(image, handler, **env) as (container, urls, client)`."""

    @contextmanager
    def opened(
        image: Image, handler: str, *, ports: tuple[int, ...] = (), options: dict[str, Any] | None = None, **env: str
    ) -> Iterator[tuple[containers.Container, dict[int, str], Any]]:
        language = image.runtime.family
        settings: dict[str, Any] = {
            "args": [handler],
            "env": {"DOCKER_LAMBDA_STAY_OPEN": "1", "AWS_LAMBDA_FUNCTION_TIMEOUT": "10", **env},
            "mounts": [containers.Mount(FUNCTIONS / language, "/var/task")],
            "hosts": {"sandbox.localdomain": "127.0.0.1"},
            **(options or {}),
        }
        with (
            started(runner, loaded(image), [9001, *ports], **settings) as (container, urls),
            lambda_client(urls[9001]) as client,
        ):
            yield container, urls, client

    return opened


@pytest.fixture(scope="session")
def podman() -> containers.Runner:
    """podman, whether or not there is Docker too."""
    if shutil.which("podman") is None:
        # Only one runner is asked for: with a daemon there, tests/engines.sh installs no podman.
        pytest.skip("podman is not installed")
    found = containers.find({**os.environ, "IMAGEMILL_RUNNER": "podman"})
    assert found is not None
    return found


@pytest.fixture(scope="session")
def buildah() -> str:
    """The path of buildah."""
    found = shutil.which("buildah")
    if found is None:
        missing("buildah is not installed")
    return found


@pytest.fixture(scope="session")
def dockerd() -> Iterator[Mapping[str, str]]:
    """The environment in which `docker` finds a daemon: the one that answers, else one of our own."""
    try:
        docker.client(os.environ).close()
    except EngineError:
        pass
    else:
        yield os.environ
        return
    program = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        missing("no Docker daemon answers and dockerd is not installed")
    if os.geteuid() != 0:
        pytest.skip("no Docker daemon answers, and only root can start one for the tests")
    with daemons.started(program, daemons.new_home(), os.environ) as environ:
        yield environ


@pytest.fixture(scope="session")
def programs() -> Path:
    """A folder with Docker's programs, of a version that has the containerd store."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a Docker daemon for the tests")
    state = Path(os.environ.get("IMAGEMILL_STATE") or ROOT / ".imagemill").absolute()
    try:
        return containerd_docker.install(state, os.environ)
    except ImagemillError as error:
        pytest.skip(f"SKIPPED FOR WANT OF A NEW DOCKER, which comes from Debian's archive: {error}")


@pytest.fixture(scope="session")
def containerd(programs: Path) -> Iterator[Mapping[str, str]]:
    """The environment of a `docker` with buildx and a daemon of its own, which stores images in containerd."""
    with containerd_docker.daemon(programs, os.environ) as environ:
        yield environ


@pytest.fixture(scope="session")
def docker_runner(dockerd: Mapping[str, str]) -> containers.Runner:
    """Docker, in the daemon of `dockerd`."""
    if shutil.which("docker") is None:
        missing("the docker command is not installed")
    found = containers.find({**dockerd, "IMAGEMILL_RUNNER": "docker"})
    assert found is not None
    return found
