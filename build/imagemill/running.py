"""`imagemill run`: a built image as a command line for docker or podman."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagemill.engine import containers
from imagemill.errors import EngineError, SelectionError
from imagemill.plan import Image
from imagemill.platforms import find, native
from imagemill.workshop import Workshop, local_name

SANDBOX = {"sandbox.localdomain": "127.0.0.1"}
"""What an extension calls the place that its telemetry is sent to (AWS: Telemetry API, destination)."""


@dataclass(frozen=True)
class Command:
    """What to execute, and in which environment."""

    argv: list[str]
    environ: Mapping[str, str]


def mounts(task_dir: Path | None, layer_dir: Path | None, *, writable: bool) -> list[containers.Mount]:
    """Code for /var/task and layers for /opt; code is read-only as on AWS unless `writable`."""
    found = []
    if task_dir is not None:
        found.append(containers.Mount(task_dir.resolve(), "/var/task", read_only=not writable))
    if layer_dir is not None:
        found.append(containers.Mount(layer_dir.resolve(), "/opt"))
    return found


def command(
    workshop: Workshop,
    images: Sequence[Image],
    args: Sequence[str],
    *,
    mounts: Sequence[containers.Mount],
    env: Sequence[str],
    publish: Sequence[str],
    platform: str,
    network: str,
    terminal: bool,
) -> Command:
    """The command line that runs the image, which is loaded first where it is not there yet.

    Raises EngineError when nothing here runs images of that platform, SelectionError when it is not built.
    """
    if len(images) != 1:
        names = ", ".join(image.tags[-1] for image in images)
        raise SelectionError(f"that is {len(images)} images: {names}", "name one")
    wanted = find(platform) if platform else native()
    runner = containers.find(workshop.environ)
    if runner is None:
        raise EngineError(
            "neither a Docker daemon nor podman is here to run images",
            "start Docker, or install podman (Debian: apt-get install podman); `make test` installs it",
        )
    if obstacle := runner.obstacle(wanted):
        raise EngineError(f"{runner.name} cannot run {wanted} images here: {obstacle}")
    artifact = workshop.dist.read().get(images[0].name)
    if artifact is None or str(wanted) not in artifact.platforms:
        raise SelectionError(
            f"{images[0].tags[-1]} is not built for {wanted}",
            f"run `make images IMAGES={images[0].tags[-1]}`",
        )
    workshop.load(runner, [artifact], wanted)
    argv = runner.run_command(
        local_name(artifact.tags[-1], wanted),
        interactive=True,
        terminal=terminal,
        args=args,
        env=dict(_variable(word, workshop.environ) for word in env),
        mounts=mounts,
        platform=wanted,
        network=network,
        # Another container's network comes with that container's names.
        hosts={} if network.startswith("container:") else SANDBOX,
        publish=publish,
    )
    return Command(argv, runner.environ)


def _variable(word: str, environ: Mapping[str, str]) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    return name, value if equals else environ.get(name, "")
