"""BuildKit in a Docker daemon, spoken to over its Engine API.

The API and not the CLI, because the daemon always has BuildKit (18.09 and newer) and the CLI only with its
buildx plugin: without, it falls back to a builder that knows no TARGETARCH. `version=2` says BuildKit; it
takes the context as the body of the request. https://docs.docker.com/reference/api/engine/ (ImageBuild)
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import docker
import requests
from docker.errors import DockerException

from imagemill import oci
from imagemill.assemble import tarball
from imagemill.engine import DOCKERFILE, Context, archive
from imagemill.engine.embedded.lineage import steps
from imagemill.errors import EngineError
from imagemill.filetree import Entry
from imagemill.platforms import Platform

_USUAL_HOST = "unix:///var/run/docker.sock"
_LONGEST_SILENCE = 600  # seconds that a daemon may take for one step
# Of the containerd image store, in releases up to the end of 2024: https://github.com/moby/moby/issues/47717
_STORE_PROBLEM = "failed to read downloaded context"
_STORE_REMEDY = "install the buildx plugin of the docker command, or take a newer Docker"
_CONTAINERD = "io.containerd.snapshotter.v1"
Build = Callable[..., oci.Descriptor]
"""Builds as `build` does, by other means."""


def client(environ: Mapping[str, str]) -> docker.DockerClient:
    """A client of the daemon that the `docker` command would talk to with this environment.

    EngineError when none answers.
    """
    settings = dict(environ)
    if "DOCKER_HOST" not in settings:
        # Docker Desktop, colima and rootless Docker say where they listen in a context of the CLI.
        settings["DOCKER_HOST"] = _context_host(environ) or _USUAL_HOST
    try:
        _knock(settings["DOCKER_HOST"])
        return docker.from_env(version="auto", timeout=_LONGEST_SILENCE, environment=settings)
    except (DockerException, OSError) as error:
        raise EngineError(
            f"no Docker daemon answers at {settings['DOCKER_HOST']}: {error}",
            "start Docker, or say in DOCKER_HOST where it listens, or use --engine embedded",
        ) from None


def _knock(host: str) -> None:
    """OSError when nobody listens on a socket; asked first because the library leaves one open then."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(host.removeprefix("unix://"))


def _context_host(environ: Mapping[str, str]) -> str:
    try:
        said = subprocess.run(
            ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""


def build(
    context: Context,
    platform: Platform,
    *,
    layout: Path,
    name: str,
    epoch: int,
    scratch: Path,
    connect: Callable[[], docker.DockerClient],
    plugin: Build | None = None,
) -> oci.Descriptor:
    """Execute `context.dockerfile` for one platform and write an OCI layout at `layout`.

    `epoch` (seconds since 1970) is the time of everything made here; `scratch` takes what passes through. The
    daemon keeps its build cache and nothing else. `plugin`, where there is one, builds in a daemon with the containerd
    image store: its releases up to the end of 2024 take no context over the API. Returns the descriptor of the image
    manifest. EngineError without a daemon, or when it refuses the build.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    passing = f"imagemill-build:{uuid.uuid4().hex}"
    daemon = connect()
    try:
        if plugin is not None and _in_containerd(daemon):
            return plugin(context, platform, layout=layout, name=name, epoch=epoch, scratch=scratch)
        with tempfile.TemporaryFile(dir=scratch) as file:
            _write_context(context, epoch, file)
            file.seek(0)
            _build(daemon, file, context, platform, passing, epoch)
        with tempfile.NamedTemporaryFile(dir=scratch) as saved:
            try:
                for chunk in daemon.api.get_image(passing):
                    saved.write(chunk)
            finally:
                daemon.api.remove_image(passing)
            saved.flush()
            return archive.docker_archive_to_layout(
                Path(saved.name),
                layout,
                name=name,
                epoch=epoch,
                scratch=scratch,
                steps=steps(context, platform),
            )
    except (DockerException, requests.RequestException) as error:
        raise EngineError(f"{name} for {platform}: Docker failed: {error}", "see the daemon's log") from None
    finally:
        daemon.close()


def _in_containerd(daemon: docker.DockerClient) -> bool:
    """Whether the daemon has the containerd image store."""
    return ["driver-type", _CONTAINERD] in (daemon.info().get("DriverStatus") or [])


def _write_context(context: Context, epoch: int, out: IO[bytes]) -> None:
    """The build context as a tar, which has the Dockerfile even where .dockerignore keeps it from being copied.

    Layer archives stay compressed: ADD unpacks them by what they are.
    """
    dockerfile = Entry("file", mtime=epoch, content=context.dockerfile.encode())
    out.writelines(tarball.pack({**context.visible(epoch), DOCKERFILE: dockerfile}, epoch))


def _build(
    daemon: docker.DockerClient,
    file: IO[bytes],
    context: Context,
    platform: Platform,
    passing: str,
    epoch: int,
) -> None:
    response = daemon.api.post(
        f"{daemon.api.base_url}/v{daemon.api.api_version}/build",
        params={
            "version": "2",
            "platform": str(platform),
            "t": passing,
            "buildargs": json.dumps({"SOURCE_DATE_EPOCH": str(epoch), **context.arguments}),
            "target": context.target,
            # BuildKit's cache knows files by their content: it would give one back with the time of an older build.
            "nocache": "1" if context.files else "",
        },
        data=file,
        headers={"Content-Type": "application/x-tar"},
        stream=True,
        timeout=_LONGEST_SILENCE,
    )
    if response.status_code != 200:
        raise EngineError(
            f"Docker refuses to build for {platform}: {response.text.strip()}", "it must be 18.09 or newer"
        )
    for line in response.iter_lines():
        message = json.loads(line) if line else {}
        if "error" in message:
            said = message["error"]
            remedy = _STORE_REMEDY if _STORE_PROBLEM in said else ""
            raise EngineError(f"the Dockerfile does not build for {platform}: {said}", remedy)
