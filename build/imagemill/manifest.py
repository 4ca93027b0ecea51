"""Manifests: the YAML in `runtimes/` as frozen dataclasses.

A *base* is an operating system layer (`runtimes/bases/debian-trixie.yaml`); a *runtime* is a language on
one or more bases (`runtimes/python3.13.yaml`). The classes are the schema: they are what `load` checks
against and what `imagemill schema` writes out for editors.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass

from imagemill.platforms import PLATFORMS, Platform

_STRICT = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=False)


def _absolute_search_path(value: str) -> str:
    for part in value.split(":"):
        if not part.startswith("/"):
            raise ValueError(f"search path entry {part!r} is relative; start each entry with '/'")
    return value


def _known_environment(env: Mapping[str, str]) -> Mapping[str, str]:
    for key in ("PATH", "LD_LIBRARY_PATH"):
        if key in env:
            _absolute_search_path(env[key])
    return env


def _known_platforms(platforms: tuple[str, ...]) -> tuple[str, ...]:
    for name in platforms:
        if name not in PLATFORMS:
            raise ValueError(f"unknown architecture {name!r}; use {', '.join(sorted(PLATFORMS))}")
    if len(set(platforms)) != len(platforms):
        raise ValueError("a platform is listed twice; list each once")
    return platforms


def _known_words(url: str) -> str:
    words = ("version", "arch", "machine", "npm")
    for word in re.findall(r"\{([^{}]*)\}", url):
        if word not in words:
            raise ValueError(f"{{{word}}} stands for nothing; use {', '.join(f'{{{one}}}' for one in words)}")
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", url)):
        raise ValueError("a brace has no partner; write {version}")
    return url


def _known_platform(name: str) -> str:
    return _known_platforms((name,))[0]


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")]
AbsPath = Annotated[str, StringConstraints(pattern=r"^/([^/\x00]+(/[^/\x00]+)*)?$")]
RelPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.@+-]+(/[A-Za-z0-9_.@+-]+)*$")]
Mode = Annotated[str, StringConstraints(pattern=r"^[0-7]{4}$")]
DebianName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
ImageName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"),
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PlatformName = Annotated[str, AfterValidator(_known_platform)]
Environment = Annotated[Mapping[EnvName, str], AfterValidator(_known_environment)]
Platforms = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known_platforms)]


@dataclass(frozen=True, config=_STRICT)
class User:
    """An account in /etc/passwd with a group of the same name."""

    name: Name
    uid: int
    gid: int
    home: AbsPath
    shell: AbsPath


@dataclass(frozen=True, config=_STRICT)
class Directory:
    """A directory that the layer makes, whatever its packages hold."""

    mode: Mode = "0755"
    owner: str = "0:0"


@dataclass(frozen=True, config=_STRICT)
class PypiSet:
    """Python distributions, resolved and pinned by the lock, unpacked into one directory."""

    into: AbsPath
    requirements: Annotated[tuple[str, ...], Field(min_length=1)]
    python: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+$")]
    interpreter: AbsPath
    scripts: AbsPath | None = None
    """Where console scripts go; none are written when left out."""
    only_scripts: tuple[str, ...] = ()
    """Write these console scripts and no others."""


@dataclass(frozen=True, config=_STRICT)
class NpmSet:
    """npm packages, resolved and pinned by the lock.

    `layout: modules` makes a node_modules tree with its dependencies in `into`; `layout: unpack` puts the
    package's own files there. `{npm}` in a name stands for npm's word for the architecture (x64, arm64).
    """

    into: AbsPath
    packages: Annotated[tuple[str, ...], Field(min_length=1)]
    layout: Literal["modules", "unpack"] = "modules"
    only: tuple[str, ...] = ()
    """Keep only these files or directories of an unpacked package."""
    scripts: AbsPath | None = None
    """Where links to the packages' commands go (`layout: modules`)."""


@dataclass(frozen=True, config=_STRICT)
class Download:
    """A file from an upstream's own site, pinned by the lock.

    `{version}`, `{arch}` (amd64), `{machine}` (x86_64) and `{npm}` (x64) in `url` stand for these words.
    """

    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+~_-]*$")]
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^/@\s]+/\S+$"), AfterValidator(_known_words)]
    sha256: Sha256 | Mapping[PlatformName, Sha256] | None = None
    """What upstream publishes; for each platform where they differ. The lock is checked against it."""

    @model_validator(mode="after")
    def _trusted(self) -> Self:
        if self.url.startswith("http:") and self.sha256 is None:
            raise ValueError("what an http:// address sends can be changed on the way; use https://, or give 'sha256'")
        return self

    def address(self, platform: Platform) -> str:
        """The address on a platform."""
        words = {"arch": platform.arch, "machine": platform.machine, "npm": platform.npm}
        return self.url.format(version=self.version, **words)

    def hash_for(self, platform: Platform) -> str:
        """What upstream publishes for a platform; empty where the manifest does not say."""
        if isinstance(self.sha256, Mapping):
            return self.sha256.get(str(platform), "")
        return self.sha256 or ""


@dataclass(frozen=True, config=_STRICT)
class Layer:
    """What one layer is made of. Everything in it comes from the lock or from `build/bootstraps`."""

    packages: tuple[DebianName, ...] = ()
    """Debian packages; their dependencies come along."""
    without: tuple[DebianName, ...] = ()
    """Dependencies cut from the closure on purpose; the toolchain of build images brings a base's back."""
    move: Mapping[AbsPath, AbsPath] = field(default_factory=dict)
    """Paths of packages that live elsewhere in the image; the rest of these packages stays where it is."""
    drop: tuple[str, ...] = ()
    """Globs of paths to leave out."""
    directories: Mapping[AbsPath, Directory] = field(default_factory=dict)
    links: Mapping[AbsPath, str] = field(default_factory=dict)
    """Symbolic links: path to target."""
    files: Mapping[AbsPath, RelPath] = field(default_factory=dict)
    """Files of ours: path in the image to path below build/bootstraps; directories come whole."""
    pypi: tuple[PypiSet, ...] = ()
    npm: tuple[NpmSet, ...] = ()
    downloads: Mapping[Name, Download] = field(default_factory=dict)
    """Sources and other files from upstreams, by name."""
    image: ImageName | None = None
    """An image of a registry that the layer stands on, by its tag; the lock pins its digests."""
    python: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+$")] | None = None
    """This layer holds CPython of this version at /var/lang: upstream's paths, and compiled .pyc files."""


@dataclass(frozen=True, config=_STRICT)
class ToolCheck:
    """A command that conformance runs in an image, and what its output must contain."""

    run: str
    contains: str


@dataclass(frozen=True, config=_STRICT)
class Variant:
    """The configuration of one variant: what `docker inspect` shows."""

    env: Environment
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...] = ()
    user: str = ""
    workdir: AbsPath = "/var/task"
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, config=_STRICT)
class Accepted:
    """A difference from the real environment that is known and meant, and why."""

    check: Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z-]+$")]
    """The conformance check that finds it."""
    found: str
    """What it finds; a glob."""
    reason: Annotated[str, StringConstraints(min_length=1)]
    variants: tuple[Literal["run", "build", "serve"], ...] = ()
    """Images that it is about; all of them when left out."""


@dataclass(frozen=True, config=_STRICT)
class Base:
    """An operating system layer that runtimes stand on."""

    name: Name
    kind: Literal["debian"]
    suite: Name
    pockets: tuple[Literal["updates", "security"], ...]
    platforms: Platforms
    users: tuple[User, ...]
    drop: tuple[str, ...]
    """Globs that every layer on this base leaves out (manual pages, translations)."""
    system: Layer
    toolchain: Layer
    """What every build image has on top."""
    run: Variant
    build: Variant
    serve: Variant
    tools: tuple[str, ...]
    """Commands that every image on this base has on its PATH."""
    build_tools: tuple[str, ...]
    allow_expired: bool = False
    """Take the suite's Release file though its Valid-Until has passed, as where a mirror stands still."""
    accepted: tuple[Accepted, ...] = ()
    """Known differences from the real environment, which conformance tells and does not fail."""


@dataclass(frozen=True, config=_STRICT)
class Offer:
    """What a base offers for a runtime: its layers, or the reason why it cannot."""

    base: Name | None = None
    unavailable: str | None = None
    language: Layer = field(default_factory=Layer)
    build: Layer = field(default_factory=Layer)


@dataclass(frozen=True, config=_STRICT)
class Example:
    """A function in `examples/` that conformance runs in the image."""

    directory: RelPath
    handler: str
    event: str
    result: str


@dataclass(frozen=True, config=_STRICT)
class Runtime:
    """One Lambda runtime identifier."""

    name: Name
    family: Literal["python", "nodejs", "provided"]
    released: datetime.date
    platforms: Platforms
    bases: Annotated[Mapping[Name, Offer], Field(min_length=1)]
    example: Example
    deprecated: datetime.date | None = None
    aliases: tuple[Tag, ...] = ()
    """Further names that published images get."""
    env: Environment = field(default_factory=dict)
    """Environment of every variant, on top of the base's; an empty value removes a variable."""
    build_env: Environment = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    """Entrypoint of the run image where it is not the base's."""
    tools: tuple[str, ...] = ()
    build_tools: tuple[str, ...] = ()
    checks: tuple[ToolCheck, ...] = ()
    build_checks: tuple[ToolCheck, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    """Known differences from the real environment, of this runtime alone."""

    @property
    def major(self) -> str:
        """The first number of the name: 24 of nodejs24.x."""
        digits = self.name.lstrip("abcdefghijklmnopqrstuvwxyz")
        return digits.partition(".")[0]
