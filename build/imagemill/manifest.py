"""Manifests: the YAML in `runtimes/` as frozen structs.

A *base* is an operating system layer (`runtimes/bases/debian-trixie.yaml`); a *runtime* is a language on
one or more bases (`runtimes/python3.13.yaml`). The classes are the schema: they are what `load` checks
against and what `imagemill schema` writes out for editors.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from imagemill.keys import (
    AbsPath,
    DebianName,
    Environment,
    ImageName,
    MinorVersion,
    Mode,
    Name,
    PlatformName,
    Platforms,
    RelPath,
    Sha256,
    Tag,
    Url,
    known_environment,
    known_platforms,
    spelled,
)
from imagemill.platforms import Platform


class User(Struct, frozen=True, forbid_unknown_fields=True):
    """An account in /etc/passwd with a group of the same name."""

    name: Name
    uid: int
    gid: int
    home: AbsPath
    shell: AbsPath


class Directory(Struct, frozen=True, forbid_unknown_fields=True):
    """A directory that the layer makes, whatever its packages hold."""

    mode: Mode = "0755"
    owner: str = "0:0"


class PypiSet(Struct, frozen=True, forbid_unknown_fields=True):
    """Python distributions, resolved and pinned by the lock, unpacked into one directory."""

    into: AbsPath
    requirements: Annotated[tuple[str, ...], Meta(min_length=1)]
    python: MinorVersion
    interpreter: AbsPath
    scripts: AbsPath | None = None
    """Where console scripts go; none are written when left out."""
    only_scripts: tuple[str, ...] = ()
    """Write these console scripts and no others."""
    descriptions: bool = True
    """Whether botocore keeps the descriptions in its service models, which only help() and documentation show."""


class NpmSet(Struct, frozen=True, forbid_unknown_fields=True):
    """npm packages, resolved and pinned by the lock.

    `layout: modules` makes a node_modules tree with its dependencies in `into`; `layout: unpack` puts the
    package's own files there; `layout: tool` puts nothing anywhere: it compiles parts of the
    layer. `{npm}` in a name stands for npm's word for the architecture (x64, arm64).
    """

    into: AbsPath
    packages: Annotated[tuple[str, ...], Meta(min_length=1)]
    layout: Literal["modules", "unpack", "tool"] = "modules"
    only: tuple[str, ...] = ()
    """Keep only these files or directories of an unpacked package."""
    scripts: AbsPath | None = None
    """Where links to the packages' commands go (`layout: modules`)."""


class Download(Struct, frozen=True, forbid_unknown_fields=True):
    """A file from an upstream's own site, pinned by the lock; `debian:pool/…` is a source in Debian's pool.

    `{version}`, `{arch}` (amd64), `{machine}` (x86_64) and `{npm}` (x64) in `url` stand for these words.
    """

    version: Annotated[str, spelled(r"^[A-Za-z0-9][A-Za-z0-9.+~_-]*$")]
    url: Url
    sha256: Sha256 | Mapping[PlatformName, Sha256] | None = None
    """What upstream publishes; for each platform where they differ. The lock is checked against it."""

    def __post_init__(self) -> None:
        """ValueError for what nothing vouches for."""
        if not self.url.startswith("https:") and self.sha256 is None:
            raise ValueError("what such an address sends can be changed on the way; use https://, or give 'sha256'")

    def address(self, platform: Platform) -> str:
        """The address on a platform."""
        words = {"arch": platform.arch, "machine": platform.machine, "npm": platform.npm}
        return self.url.format(version=self.version, **words)

    def hash_for(self, platform: Platform) -> str:
        """What upstream publishes for a platform; empty where the manifest does not say."""
        if isinstance(self.sha256, Mapping):
            return self.sha256.get(str(platform), "")
        return self.sha256 or ""


class Jar(Struct, frozen=True, forbid_unknown_fields=True):
    """A Java program of ours, compiled when the layer is made: for Java 8, so that one jar serves every later one."""

    sources: RelPath
    """The folder of its sources, below build/bootstraps."""
    compiler: Name
    """The runtime whose build packages have the JDK."""
    against: tuple[AbsPath, ...] = ()
    """Jars of the layer, given before this one or by packages, whose classes it uses."""


class Suite(Struct, frozen=True, forbid_unknown_fields=True):
    """Packages taken from another suite than the base's own; what they need comes from the base's where it has it."""

    packages: Annotated[tuple[DebianName, ...], Meta(min_length=1)]
    """These, and those that the base's suite does not have at all; a dependency that must be newer is named too."""
    pockets: tuple[Literal["updates", "security"], ...] = ()
    allow_expired: bool = False
    """Take the suite's Release file though its Valid-Until has passed, as where a mirror stands still."""


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """A language that is compiled from upstream's tarball, one of the layer's downloads, into /var/lang."""

    recipe: Literal["cpython", "ruby"]
    download: Name
    version: MinorVersion
    packages: Annotated[tuple[DebianName, ...], Meta(min_length=1)]
    """The compiler and the libraries with their headers, of the machine's architecture and of the image's."""
    cross: Mapping[PlatformName, tuple[DebianName, ...]] = {}
    """What compiles for a platform on a machine of another."""


class Layer(Struct, frozen=True, forbid_unknown_fields=True):
    """What one layer is made of. Everything in it comes from the lock or from `build/bootstraps`."""

    packages: tuple[DebianName, ...] = ()
    """Debian packages; their dependencies come along."""
    suites: Mapping[Name, Suite] = {}
    """Packages that come from other suites, by suite: for all layers on the same base, as a lock has one version."""
    without: tuple[DebianName, ...] = ()
    """Dependencies cut from the closure on purpose; the toolchain of build images brings a base's back."""
    move: Mapping[AbsPath, AbsPath] = {}
    """Paths of packages and wheels that live elsewhere in the image; the rest of these stays where it is.

    `{arch}` (amd64) and `{multiarch}` (x86_64-linux-gnu) in a path stand for these words.
    """
    drop: tuple[str, ...] = ()
    """Globs of paths to leave out."""
    strip: tuple[str, ...] = ()
    """Globs of programs and libraries that lose their symbol tables and debugging sections, which no loader reads: for
    those of npm packages and wheels, as Debian's come stripped. Each names ELF files, and at least one."""
    directories: Mapping[AbsPath, Directory] = {}
    links: Mapping[AbsPath, str] = {}
    """Symbolic links: path to target."""
    files: Mapping[AbsPath, RelPath] = {}
    """Files of ours: path in the image to path below build/bootstraps; directories come whole."""
    go: Mapping[AbsPath, RelPath] = {}
    """Go programs of ours: path in the image to the folder of the module below build/bootstraps."""
    jars: Mapping[AbsPath, Jar] = {}
    """Java programs of ours, by their path in the image."""
    dotnet: Mapping[AbsPath, RelPath] = {}
    """C# programs of ours: path of the .dll to the folder below build/bootstraps; the first npm set of `layout: tool`
    is the SDK that compiles them, against the .NET of this layer."""
    pypi: tuple[PypiSet, ...] = ()
    npm: tuple[NpmSet, ...] = ()
    downloads: Mapping[Name, Download] = {}
    """Sources and other files from upstreams, by name."""
    source: Source | None = None
    """What of the layer is compiled from one of the downloads."""
    image: ImageName | None = None
    """An image of a registry that the layer stands on, by its tag; the lock pins its digests."""
    python: MinorVersion | None = None
    """This layer holds CPython of this version at /var/lang: upstream's paths, and compiled .pyc files."""
    ruby: MinorVersion | None = None
    """This layer holds Debian's Ruby of this version, its headers or gems for it: they go to /var/lang, with upstream's
    paths. With `source`, Ruby itself is that one."""

    def without_files(self) -> Layer:
        """The same layer without the files of ours."""
        return structs.replace(self, files={})


class ToolCheck(Struct, frozen=True, forbid_unknown_fields=True):
    """A command that conformance runs in an image, and what its output must contain."""

    run: str
    contains: str


class Variant(Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration of one variant: what `docker inspect` shows."""

    env: Environment
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...] = ()
    user: str = ""
    workdir: AbsPath = "/var/task"
    ports: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """ValueError for a relative search path."""
        known_environment(self.env)


class Accepted(Struct, frozen=True, forbid_unknown_fields=True):
    """A difference from the real environment that is known and meant, and why."""

    check: Annotated[str, spelled(r"^[a-z]+\.[a-z-]+$")]
    """The conformance check that finds it."""
    found: str
    """What it finds; a glob."""
    reason: Annotated[str, Meta(min_length=1)]
    variants: tuple[Literal["run", "build", "serve"], ...] = ()
    """Images that it is about; all of them when left out."""


class Base(Struct, frozen=True, forbid_unknown_fields=True):
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
    absent: Mapping[PlatformName, tuple[Literal["updates", "security"], ...]] = {}
    """Pockets whose packages the mirrors no longer have for a platform, though their index lists them."""
    accepted: tuple[Accepted, ...] = ()
    """Known differences from the real environment, which conformance tells and does not fail."""

    def __post_init__(self) -> None:
        """ValueError for an unknown platform."""
        known_platforms(self.platforms)


class Offer(Struct, frozen=True, forbid_unknown_fields=True):
    """What a base offers for a runtime: its layers, or the reason why it cannot.

    A language from upstream's source has both where its tarball is not locked yet: without the reason it is built.
    """

    base: Name | None = None
    unavailable: str | None = None
    language: Layer = Layer()
    build: Layer = Layer()


class Example(Struct, frozen=True, forbid_unknown_fields=True):
    """A function in `examples/` that conformance runs in the image.

    `build` is the shell command that compiles it, in the build image with `directory`'s parent at /var/task; what it
    makes lies in `directory`. Empty where the sources are what runs.
    """

    directory: RelPath
    handler: str
    event: str
    result: str
    build: str = ""


class Budgets(Struct, frozen=True, forbid_unknown_fields=True):
    """What images of a runtime may take. Its run and serve images may not be larger; for times and memory, of the
    example called on a quiet machine, conformance fails only what no noise explains."""

    size_mb: Annotated[float, Meta(gt=0)]
    """The layers of a run image as they are pulled, in millions of bytes."""
    init_ms: Annotated[float, Meta(gt=0)]
    """From the container's start of the runtime until it asks for an event."""
    call_ms: Annotated[float, Meta(gt=0)]
    memory_mb: Annotated[float, Meta(gt=0)]


class Runtime(Struct, frozen=True, forbid_unknown_fields=True):
    """One Lambda runtime identifier."""

    name: Name
    family: Literal["python", "nodejs", "ruby", "java", "go", "dotnet", "provided"]
    released: datetime.date
    platforms: Platforms
    bases: Annotated[Mapping[Name, Offer], Meta(min_length=1)]
    example: Example
    deprecated: datetime.date | None = None
    aliases: tuple[Tag, ...] = ()
    """Further names that published images get."""
    env: Environment = {}
    """Environment of every variant, on top of the base's; an empty value removes a variable."""
    build_env: Environment = {}
    entrypoint: tuple[str, ...] = ()
    """Entrypoint of the run image where it is not the base's."""
    tools: tuple[str, ...] = ()
    build_tools: tuple[str, ...] = ()
    checks: tuple[ToolCheck, ...] = ()
    build_checks: tuple[ToolCheck, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    """Known differences from the real environment, of this runtime alone."""
    budgets: Budgets | None = None
    """What its images may take."""

    def __post_init__(self) -> None:
        """ValueError for an unknown platform or a relative search path."""
        known_platforms(self.platforms)
        known_environment(self.env)
        known_environment(self.build_env)

    @property
    def major(self) -> str:
        """The first number of the name: 24 of nodejs24.x."""
        digits = self.name.lstrip("abcdefghijklmnopqrstuvwxyz")
        return digits.partition(".")[0]
