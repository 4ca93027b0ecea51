"""What running an image looks like from outside, whoever does it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypedDict, Unpack

from imagemill.errors import EngineError
from imagemill.platforms import Platform


@dataclass(frozen=True)
class Completed:
    """What a container said, and its exit code."""

    stdout: bytes
    stderr: bytes
    code: int


class ContainerTimeout(EngineError):
    """A container that was not done in time; it is gone, what it said is in `completed` (code -1)."""

    def __init__(self, message: str, completed: Completed) -> None:
        super().__init__(message, "give it more time, or look at what it said")
        self.completed = completed


@dataclass(frozen=True)
class Mount:
    """A file or directory of this machine inside the container."""

    source: Path
    target: str
    read_only: bool = True

    def option(self) -> str:
        """The value of `--mount`, which is a line of CSV."""
        fields = ["type=bind", f"source={self.source}", f"target={self.target}"]
        if self.read_only:
            fields.append("readonly")
        return ",".join(f'"{f.replace(chr(34), chr(34) * 2)}"' if set(f) & set(',"') else f for f in fields)


class Options(TypedDict, total=False):
    """How a container is to run; what is not said is as the image says."""

    args: Sequence[str]
    env: Mapping[str, str]
    mounts: Sequence[Mount]
    entrypoint: str
    platform: Platform
    network: str  # "none", "host", or the name of a network; otherwise the engine's default
    hosts: Mapping[str, str]  # names that the container resolves to these addresses
    user: str
    read_only: bool
    capabilities: Literal["none"]  # otherwise the engine's default ones
    tmpfs: Sequence[str]  # folders in memory, for everybody
    publish: Sequence[str]  # as docker spells it: "9001:9001", or "127.0.0.1::9001" for any free port


class Container(Protocol):
    """A container in the background."""

    @property
    def name(self) -> str:
        """Its name in the engine."""

    def address(self, port: int) -> tuple[str, int]:
        """Host and port where a published port of the container is reached from this machine."""

    def logs(self) -> Completed:
        """What it said until now; the code is that of the command that asked."""

    def wait(self) -> int:
        """Wait for its end; its exit code."""

    def stop(self, seconds: int = 10) -> None:
        """Ask it to end (SIGTERM), and end it after so many seconds."""


class Runner(Protocol):
    """Something that runs images."""

    @property
    def name(self) -> str:
        """`docker` or `podman`."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment that its command line wants."""

    def load(self, images: Mapping[Path, Sequence[str]]) -> None:
        """Have the image of each layout under its names, in place of what had them."""

    def tidy(self) -> None:
        """Remove images of ours whose names have all gone to newer ones."""

    def has(self, wanted: Mapping[str, Collection[str]]) -> set[str]:
        """Those names whose image there is one of the wanted digests (see `identities`)."""

    def save(self, name: str, out: Path) -> bool:
        """Write the image with this name to a file, as `docker load` reads it; False where there is none."""

    def forget(self, name: str) -> None:
        """Take a name from its image, and the image with its last one; one that is gone already is no error."""

    def obstacle(self, platform: Platform) -> str:
        """Why images of this platform do not run here; empty when they do."""

    def run_command(
        self, image: str, *, interactive: bool = False, terminal: bool = False, **options: Unpack[Options]
    ) -> list[str]:
        """The command line that runs an image in the foreground and then removes the container."""

    def run(
        self,
        image: str,
        *,
        stdin: bytes | None = None,
        timeout: float | None = None,
        **options: Unpack[Options],
    ) -> Completed:
        """Run to the end. EngineError when it cannot be started, ContainerTimeout after `timeout` seconds."""

    def start(self, image: str, **options: Unpack[Options]) -> AbstractContextManager[Container]:
        """Start in the background: `with runner.start(...) as container`, and afterwards it is gone."""
