"""Facts: figures of real Lambda environments, each with its source, that images are held against.

They lie as YAML in `imagemill/facts`, next to the list of what their sources are.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib.resources
import json
import re
from collections.abc import Iterable, Mapping
from typing import Literal, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from imagemill.plan import VARIANTS, Image, VariantName

_STRICT = ConfigDict(extra="forbid", strict=True)
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Fact:
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


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class VariableFact(Fact):
    """The value of an environment variable."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class NamesFact(Fact):
    """A set of names."""

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class OrderFact(Fact):
    """Entries of a search path, in the order in which they must come."""

    name: str
    order: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class PathFact(Fact):
    """What is at a path, links followed. `mode` is four octal digits, `owner` is uid:gid."""

    path: str
    kind: Literal["dir", "file", "executable", "absent"]
    mode: str | None = None
    owner: str | None = None


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class CertificatesFact(Fact):
    """Where a bundle of certificates may be, and how many it must have."""

    paths: tuple[str, ...]
    at_least: int


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class GlobsFact(Fact):
    """Patterns over whole paths; `*` crosses directories."""

    globs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class LimitFact(Fact):
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


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class PatternFact(Fact):
    """A regular expression."""

    pattern: str


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class NumberFact(Fact):
    """How many there may be of something."""

    name: str
    value: int


@dataclass(frozen=True, config=_STRICT)
class EnvironmentFacts:
    """facts/environment.yaml."""

    sources: Mapping[str, str]
    variables: tuple[VariableFact, ...]
    absent: tuple[NamesFact, ...]
    search_paths: tuple[OrderFact, ...]


@dataclass(frozen=True, config=_STRICT)
class FilesystemFacts:
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


@dataclass(frozen=True, config=_STRICT)
class InvokeFacts:
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
    # as JSON, the strict classes take lists for tuples
    return TypeAdapter(kind).validate_json(json.dumps(yaml.safe_load(text)))
