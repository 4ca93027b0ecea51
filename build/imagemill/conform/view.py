"""All that a check sees of an image: its configuration, its files, and, where it can be run, its commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from imagemill.errors import LayoutError
from imagemill.filetree import Entry
from imagemill.merged import MergedTree
from imagemill.oci import Layout
from imagemill.platforms import Platform
from imagemill.spool import Layers

_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Completed:
    """What a command in a container left behind."""

    stdout: bytes
    stderr: bytes
    code: int


class Runner(Protocol):
    """Runs one container of the image and waits for it.

    `argv` is the command, `entrypoint` replaces the image's unless it is None, `env` is added to the image's,
    `task_dir` is mounted read-only at /var/task, `timeout` is in seconds. Raises EngineError when the
    container cannot be started or takes too long.
    """

    def __call__(
        self,
        argv: Sequence[str],
        *,
        entrypoint: Sequence[str] | None,
        env: Mapping[str, str],
        task_dir: Path | None,
        timeout: float,
    ) -> Completed:
        """Run it."""
        ...


@dataclass(frozen=True)
class Config:
    """The configuration of an image."""

    os: str
    architecture: str
    env: Mapping[str, str]
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    user: str
    workdir: str
    labels: Mapping[str, str]
    ports: tuple[str, ...]

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Config:
        """Read an OCI image configuration; what it leaves out is empty."""
        inner: Mapping[str, Any] = data.get("config") or {}
        pairs = (line.partition("=") for line in inner.get("Env") or ())
        return Config(
            os=data.get("os", ""),
            architecture=data.get("architecture", ""),
            env={name: value for name, _, value in pairs},
            entrypoint=tuple(inner.get("Entrypoint") or ()),
            cmd=tuple(inner.get("Cmd") or ()),
            user=inner.get("User") or "",
            workdir=inner.get("WorkingDir") or "",
            labels=dict(inner.get("Labels") or {}),
            ports=tuple(sorted(inner.get("ExposedPorts") or ())),
        )


class View(Protocol):
    """What a check may ask. Paths are absolute or without the leading slash; keys have no leading slash."""

    @property
    def config(self) -> Config:
        """The image's configuration."""
        ...

    @property
    def can_run(self) -> bool:
        """Whether `run` works."""
        ...

    def stat(self, path: str) -> Entry | None:
        """What is at `path`, a link itself and not where it leads; None for nothing."""
        ...

    def resolve(self, path: str) -> str | None:
        """The key that `path` leads to, links followed inside the image; None for nowhere."""
        ...

    def link_end(self, key: str) -> tuple[str | None, bool]:
        """Where the link at `key` leads (None: nowhere), and whether it climbs above the root."""
        ...

    def walk(self) -> Iterator[tuple[str, Entry]]:
        """Every key and its entry."""
        ...

    def read(self, path: str) -> bytes:
        """The content of the file that `path` leads to; LayoutError for none."""
        ...

    def part(self, entry: Entry, offset: int, size: int) -> bytes:
        """Some bytes of a file, without reading the rest."""
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        entrypoint: Sequence[str] | None = None,
        env: Mapping[str, str] = _NO_VARIABLES,
        task_dir: Path | None = None,
        timeout: float = 60,
    ) -> Completed:
        """Run a container; see Runner."""
        ...


class LayoutView:
    """One image of an OCI layout, read from its blobs, and run by `runner` where there is one."""

    def __init__(self, config: Config, tree: MergedTree, runner: Runner | None = None) -> None:
        self._config = config
        self._tree = tree
        self._runner = runner
        self._walked: list[tuple[str, Entry]] | None = None

    @property
    def config(self) -> Config:
        """See View."""
        return self._config

    @property
    def can_run(self) -> bool:
        """See View."""
        return self._runner is not None

    def stat(self, path: str) -> Entry | None:
        """See View."""
        return self._tree.stat(path)

    def resolve(self, path: str) -> str | None:
        """See View."""
        return self._tree.resolve(path)

    def link_end(self, key: str) -> tuple[str | None, bool]:
        """See View."""
        return self._tree.link_end(key)

    def walk(self) -> Iterator[tuple[str, Entry]]:
        """See View; in the order of the paths."""
        if self._walked is None:
            self._walked = sorted(self._tree.entries.items(), key=lambda item: item[0])
        return iter(self._walked)

    def read(self, path: str) -> bytes:
        """See View."""
        return self._tree.read(path)

    def part(self, entry: Entry, offset: int, size: int) -> bytes:
        """See View."""
        return self._tree.part(entry, offset, size)

    def run(
        self,
        argv: Sequence[str],
        *,
        entrypoint: Sequence[str] | None = None,
        env: Mapping[str, str] = _NO_VARIABLES,
        task_dir: Path | None = None,
        timeout: float = 60,
    ) -> Completed:
        """See View."""
        if self._runner is None:
            raise ValueError("this view cannot run; ask can_run first")
        return self._runner(argv, entrypoint=entrypoint, env=env, task_dir=task_dir, timeout=timeout)


def open_layout(path: Path, platform: Platform, layers: Layers, runner: Runner | None = None) -> LayoutView:
    """The image for `platform` in the OCI layout at `path`, or its only one, whatever that says it is for.

    Raises LayoutError when there is none, or when it is damaged.
    """
    layout = Layout(path)
    images = layout.images()
    # one that is labelled for another platform is a finding, and not a layout that cannot be read
    chosen = images if len(images) == 1 else [image for image in images if image.platform == str(platform)]
    if not chosen:
        found = ", ".join(sorted(image.platform for image in images)) or "none"
        raise LayoutError(f"{path} has no image for {platform}, only: {found}", "build it for that platform")
    manifest = layout.read_json(chosen[0].digest)
    blobs = [(row["digest"], layout.blob_path(row["digest"])) for row in manifest["layers"]]
    config = Config.from_json(layout.read_json(manifest["config"]["digest"]))
    return LayoutView(config, layers.tree(blobs), runner)
