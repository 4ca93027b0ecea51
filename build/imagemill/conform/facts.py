"""Facts: figures of real Lambda environments, each with its source, that images are held against.

They lie as YAML in `imagemill/facts`, next to the list of what their sources are.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib.resources
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar

import msgspec
import yaml
from msgspec import Struct

from imagemill.plan import VARIANTS, Image, VariantName

_T = TypeVar("_T")


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


class Matcher:
    """Whether an absolute path matches a glob of any of some facts."""

    def __init__(self, facts: Iterable[GlobsFact]) -> None:
        globs = "|".join(fnmatch.translate(glob) for fact in facts for glob in fact.globs)
        self._match = re.compile(globs or r"(?!)").match

    def __call__(self, path: str) -> bool:
        return self._match(path) is not None


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


def _read(name: str, kind: type[_T]) -> _T:
    text = (importlib.resources.files("imagemill") / "facts" / name).read_text(encoding="utf-8")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is 8 times as fast
    return msgspec.convert(yaml.load(text, loader), kind)  # noqa: S506 - a SafeLoader
