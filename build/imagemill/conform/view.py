"""All that a check sees of an image: its configuration, its files, and, where it can be run, its commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from msgspec import Struct

from imagemill.conform.image import Manifest, images
from imagemill.elf import Elf
from imagemill.errors import LayoutError
from imagemill.filetree import Entry, Slice
from imagemill.layerfacts import LayerFacts
from imagemill.merged import MergedTree
from imagemill.oci import Layout
from imagemill.platforms import Platform
from imagemill.spool import Layers

_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


_TYPES: Mapping[str, type] = {
    "Env": list,
    "Entrypoint": list,
    "Cmd": list,
    "User": str,
    "WorkingDir": str,
    "Labels": dict,
    "ExposedPorts": dict,
}


class Completed(Struct, frozen=True):
    """What a command in a container left behind."""

    stdout: bytes
    stderr: bytes
    code: int


class Runner(Protocol):
    """Runs one container of the image and waits for it.

    `argv` is the command, `entrypoint` replaces the image's unless it is None, `env` is added to the image's,
    `task_dir` is mounted read-only at /var/task, `timeout` is in seconds. A `hardened` container has a read-only root
    with a /tmp of its own, no capabilities, and a user that the image does not know. Raises EngineError when the
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
        hardened: bool,
    ) -> Completed:
        """Run it."""
        ...


class Config(Struct, frozen=True):
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
        """Read an OCI image configuration; what it leaves out is empty. LayoutError for fields of another type."""
        inner: Mapping[str, Any] = data.get("config") or {}
        for key, kind in _TYPES.items():
            value = inner.get(key)
            wrong = value is not None and not isinstance(value, kind)
            if wrong or (kind is list and not all(isinstance(word, str) for word in value or ())):
                raise LayoutError(f"the configuration's {key} is {str(value)[:100]}", "the image is damaged")
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
    def manifest(self) -> Manifest:
        """How the image is stored."""
        ...

    @property
    def layers(self) -> Sequence[LayerFacts]:
        """What its layers are, lowest first."""
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

    def programs(self) -> Sequence[tuple[str, Elf]]:
        """Every ELF file's key, and what its headers say."""
        ...

    def version(self, entry: Entry) -> str:
        """What an interpreter says that its version is; empty for other files."""
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        entrypoint: Sequence[str] | None = None,
        env: Mapping[str, str] = _NO_VARIABLES,
        task_dir: Path | None = None,
        timeout: float = 60,
        hardened: bool = False,
    ) -> Completed:
        """Run a container; see Runner. What was run once in the same way is not run again."""
        ...


class LayoutView:
    """One image of an OCI layout, read from its blobs, and run by `runner` where there is one."""

    def __init__(
        self, manifest: Manifest, layers: Sequence[LayerFacts], tree: MergedTree, runner: Runner | None = None
    ) -> None:
        self._manifest = manifest
        self._config = Config.from_json(manifest.settings)
        self._layers = layers
        self._tree = tree
        self._runner = runner
        self._walked: list[tuple[str, Entry]] | None = None
        self._programs: list[tuple[str, Elf]] | None = None
        self._ran: dict[tuple[object, ...], Completed] = {}
        self._by_file: dict[Path, LayerFacts] = {}
        for layer in layers:  # all entries of a layer point into one file
            file = next((e.content.file for _, e in layer.entries if isinstance(e.content, Slice)), None)
            if file is not None:
                self._by_file[file] = layer

    @property
    def config(self) -> Config:
        """See View."""
        return self._config

    @property
    def manifest(self) -> Manifest:
        """See View."""
        return self._manifest

    @property
    def layers(self) -> Sequence[LayerFacts]:
        """See View."""
        return self._layers

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

    def programs(self) -> Sequence[tuple[str, Elf]]:
        """See View; in the order of the paths."""
        if self._programs is None:
            self._programs = []
            for key, entry in self.walk():
                content = entry.content
                if isinstance(content, Slice):
                    program = self._by_file[content.file].programs.get(content.offset)
                    if program is not None:
                        self._programs.append((key, program))
        return self._programs

    def version(self, entry: Entry) -> str:
        """See View."""
        content = entry.content
        return self._by_file[content.file].versions.get(content.offset, "") if isinstance(content, Slice) else ""

    def run(
        self,
        argv: Sequence[str],
        *,
        entrypoint: Sequence[str] | None = None,
        env: Mapping[str, str] = _NO_VARIABLES,
        task_dir: Path | None = None,
        timeout: float = 60,
        hardened: bool = False,
    ) -> Completed:
        """See View."""
        if self._runner is None:
            raise ValueError("this view cannot run; ask can_run first")
        key = (tuple(argv), tuple(entrypoint or ()), tuple(env.items()), task_dir, hardened)
        if key not in self._ran:
            self._ran[key] = self._runner(
                argv, entrypoint=entrypoint, env=env, task_dir=task_dir, timeout=timeout, hardened=hardened
            )
        return self._ran[key]


def open_layout(path: Path, platform: Platform, layers: Layers, runner: Runner | None = None) -> LayoutView:
    """The image for `platform` in the OCI layout at `path`, or its only one, whatever that says it is for.

    Raises LayoutError when there is none, or when it is damaged.
    """
    found = images(path)
    # one that is labelled for another platform is a finding, and not a layout that cannot be read
    chosen = found if len(found) == 1 else [image for image in found if image.platform == str(platform)]
    if not chosen:
        there = ", ".join(sorted(image.platform for image in found)) or "none"
        raise LayoutError(f"{path} has no image for {platform}, only: {there}", "build it for that platform")
    return view(Layout(path), chosen[0], layers, runner)


def view(layout: Layout, manifest: Manifest, layers: Layers, runner: Runner | None = None) -> LayoutView:
    """The view of one image of a layout. Raises LayoutError when it is damaged."""
    blobs = [(part.digest, layout.blob_path(part.digest)) for part in manifest.layers]
    return LayoutView(manifest, layers.facts(blobs), layers.tree(blobs), runner)
