"""Facts: figures of real Lambda environments, each with its source, that images are held against.

They lie as YAML in `imagemill/facts`, next to the list of what their sources are.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from imagemill.kept import kept
from imagemill.plan import VARIANTS, Image, VariantName

_T = TypeVar("_T")
_WILD = re.compile(r"[*?[]")


class Fact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every fact has: its name, where it was seen, and which images it is about."""

    id: str
    src: tuple[str, ...]
    variants: tuple[VariantName, ...] = VARIANTS
    families: tuple[str, ...] = ()  # empty: all of them

    @property
    def source(self) -> str:
        """How a finding names this fact."""
        return f"fact {self.id} ({', '.join(self.src)})"

    def covers(self, image: Image) -> bool:
        """Whether this fact is about `image`."""
        return image.variant in self.variants and (not self.families or image.runtime.family in self.families)


class VariableFact(Fact, frozen=True, kw_only=True):
    """The value of an environment variable."""

    name: str
    value: str


class NamesFact(Fact, frozen=True, kw_only=True):
    """A set of names."""

    names: tuple[str, ...]


class OrderFact(Fact, frozen=True, kw_only=True):
    """Entries of a search path, in the order in which they must come."""

    name: str
    order: tuple[str, ...]


class PathFact(Fact, frozen=True, kw_only=True):
    """What is at a path, links followed. `mode` is four octal digits, `owner` is uid:gid."""

    path: str
    kind: Literal["dir", "file", "executable", "absent"]
    mode: str | None = None
    owner: str | None = None


class CertificatesFact(Fact, frozen=True, kw_only=True):
    """Where a bundle of certificates may be, and how many it must have."""

    paths: tuple[str, ...]
    at_least: int


class GlobsFact(Fact, frozen=True, kw_only=True):
    """Patterns over whole paths; `*` crosses directories."""

    globs: tuple[str, ...]


class LimitFact(Fact, frozen=True, kw_only=True):
    """The most that there may be of something."""

    of: Literal["layers", "bytes"]
    most: int


def matcher(facts: Iterable[GlobsFact]) -> Callable[[str], object]:
    """What gives something true for an absolute path that matches a glob of any of some facts."""
    return _compiled(tuple(glob for fact in facts for glob in fact.globs))


@functools.cache
def _compiled(globs: tuple[str, ...]) -> Callable[[str], object]:
    """All paths are asked about, and few begin as a glob does; most globs are a folder and all that is in it, so that
    patterns are for fewer still.
    """
    folders = tuple(glob[:-1] for glob in globs if glob.endswith("/*") and not _WILD.search(glob[:-1]))
    others = [glob for glob in globs if glob[:-1] not in folders]
    heads = (*folders, *(_WILD.split(glob)[0] for glob in others))
    pattern = "|".join(map(fnmatch.translate, others))
    if not others:
        return lambda path: path.startswith(folders)
    return lambda path: path.startswith(heads) and (path.startswith(folders) or re.match(pattern, path))


class PatternFact(Fact, frozen=True, kw_only=True):
    """A regular expression."""

    pattern: str


class NumberFact(Fact, frozen=True, kw_only=True):
    """How many there may be of something."""

    name: str
    value: int


class EnvironmentFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """facts/environment.yaml."""

    sources: Mapping[str, str]
    variables: tuple[VariableFact, ...]
    absent: tuple[NamesFact, ...]
    search_paths: tuple[OrderFact, ...]


class FilesystemFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """facts/filesystem.yaml."""

    sources: Mapping[str, str]
    paths: tuple[PathFact, ...]
    certificates: tuple[CertificatesFact, ...]
    zones: tuple[NamesFact, ...]
    leftovers: tuple[GlobsFact, ...]
    links: tuple[GlobsFact, ...]
    foreign: tuple[GlobsFact, ...]
    limits: tuple[LimitFact, ...]
    published: tuple[GlobsFact, ...]
    readable: tuple[GlobsFact, ...]
    systems: tuple[NamesFact, ...]


class InvokeFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """facts/invoke.yaml."""

    sources: Mapping[str, str]
    log_lines: tuple[PatternFact, ...]
    present: tuple[NamesFact, ...]
    hidden: tuple[GlobsFact, ...]
    writable: tuple[NamesFact, ...]
    limits: tuple[NumberFact, ...]


def about(image: Image, facts: Iterable[_AnyFact]) -> list[_AnyFact]:
    """Those of `facts` that are about `image`."""
    return [fact for fact in facts if fact.covers(image)]


_AnyFact = TypeVar("_AnyFact", bound=Fact)


@functools.cache
def environment() -> EnvironmentFacts:
    """Facts on environment variables."""
    return _read("environment.yaml", EnvironmentFacts)


@functools.cache
def filesystem() -> FilesystemFacts:
    """Facts on paths."""
    return _read("filesystem.yaml", FilesystemFacts)


@functools.cache
def invoke() -> InvokeFacts:
    """Facts on invocations."""
    return _read("invoke.yaml", InvokeFacts)


def keep(folder: Path) -> None:
    """Have facts kept in `folder` as what they became: reading their YAML takes as long as all checks of an image."""
    _folders[:] = [folder]


_folders: list[Path] = []


def _read(name: str, kind: type[_T]) -> _T:
    path = Path(__file__).parents[1] / "facts" / name

    def parse() -> _T:
        import yaml

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is 8 times as fast
        return msgspec.convert(yaml.load(path.read_bytes(), loader), kind)  # noqa: S506 - a SafeLoader

    for folder in _folders:
        return kept(folder, path.stem, (path, Path(__file__)), kind, parse)
    return parse()
