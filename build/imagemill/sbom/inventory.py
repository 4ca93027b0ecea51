"""What an image is made of: its packages of every kind, and which of them each file of the language is from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from imagemill.conform.view import View
from imagemill.filetree import Entry

PLACES = ("var/lang/", "var/runtime/", "var/rapid/", "opt/", "lambda-entrypoint.sh")
"""Where the files are whose origin is told one by one: what a runtime has beyond its distribution."""

_PIECE = 1 << 20
_COMPILED = re.compile(r"__pycache__/([^/]+)\.cpython-\d+(?:\.opt-\d)?\.pyc$")


@dataclass(frozen=True, order=True)
class Component:
    """A package. `kind` is the type of its package URL; `owns` are the keys of its files, and of folders that end in /.

    `license` is as the package words it, empty where it does not say; `source` is the package that it was built from.
    """

    kind: str
    name: str
    version: str
    namespace: str = ""
    qualifiers: tuple[tuple[str, str], ...] = ()
    license: str = ""
    source: str = ""
    owns: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def purl(self) -> str:
        """The package URL, as github.com/package-url/purl-spec spells it."""
        parts = [quote(part, safe="") for part in (*self.namespace.split("/"), self.name) if part]
        more = "&".join(f"{key}={quote(value, safe=':/')}" for key, value in sorted(self.qualifiers) if value)
        return f"pkg:{self.kind}/{'/'.join(parts)}@{quote(self.version, safe='')}{'?' if more else ''}{more}"


@dataclass(frozen=True)
class File:
    """A file, its hashes in hex, and the package that it is from; None for one that nobody claims."""

    path: str
    sha1: str
    sha256: str
    origin: Component | None


@dataclass(frozen=True)
class Inventory:
    """An image on one platform. `created` is as its configuration says, `digest` that of its manifest."""

    name: str
    platform: str
    digest: str
    created: str
    components: tuple[Component, ...]
    files: tuple[File, ...]


def take(view: View, name: str, platform: str, known: Iterable[Component] = ()) -> Inventory:
    """The inventory of an image, with the components that are `known` to be in it. LayoutError where it is damaged."""
    from imagemill.sbom import packages

    found: dict[str, Component] = {}
    for component in (*packages.found(view), *known):
        same = found.get(component.purl)  # a package in two places is one that owns both
        found[component.purl] = replace(same, owns=same.owns | component.owns) if same else component
    components = tuple(sorted(found.values()))
    return Inventory(
        name,
        platform,
        view.manifest.digest,
        str(view.manifest.settings.get("created") or "1970-01-01T00:00:00Z"),
        components,
        tuple(_files(view, components)),
    )


def _files(view: View, components: Sequence[Component]) -> Iterator[File]:
    owner = {key: component for component in components for key in component.owns}
    for key, entry in view.walk():
        if entry.kind == "file" and key.startswith(PLACES):
            sha1, sha256 = hashlib.sha1(usedforsecurity=False), hashlib.sha256()
            for piece in _pieces(view, entry):
                sha1.update(piece)
                sha256.update(piece)
            yield File(f"/{key}", sha1.hexdigest(), sha256.hexdigest(), _origin(key, owner))


def _origin(key: str, owner: Mapping[str, Component]) -> Component | None:
    key = _COMPILED.sub(r"\1.py", key)  # what is compiled from a module is of its package
    if key in owner:
        return owner[key]
    folder = key
    while "/" in folder:
        folder = folder.rpartition("/")[0]
        if f"{folder}/" in owner:
            return owner[f"{folder}/"]
    return None


def _pieces(view: View, entry: Entry) -> Iterator[bytes]:
    for place in range(0, entry.size, _PIECE):
        yield view.part(entry, place, min(_PIECE, entry.size - place))
