"""Provenance: from which revision, lock and inputs an image was made, by which builder. docs/provenance.md explains it.

Source: slsa.dev/spec/v1.0/provenance. Nothing in it is the time or the machine: the same inputs say the same.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagemill import __version__
from imagemill.attest import statement
from imagemill.attest.statement import Statement
from imagemill.builder import go_version
from imagemill.dist import Artifact
from imagemill.errors import PublishError
from imagemill.fingerprint import compiler_sets
from imagemill.lock import BaseImage, DebianPackage, Download, Inputs, Item, Lock, NpmPackage, Wheel
from imagemill.manifest import Layer
from imagemill.plan import Image, database_sets
from imagemill.sbom import Component


@dataclass(frozen=True)
class Origin:
    """Where an image comes from: the git repository (its address) and commit, and who built it (a URI)."""

    repository: str
    revision: str
    builder: str


@dataclass(frozen=True)
class Locked:
    """A lock as it was read, and the SHA-256 of its file in hex."""

    lock: Lock
    sha256: str

    @property
    def file(self) -> str:
        """Where it is in the checkout."""
        return f"runtimes/lock/{self.lock.base}.json"


def provenance(
    subjects: Mapping[str, str],
    image: Image,
    artifact: Artifact,
    locked: Locked,
    origin: Origin,
    tags: Mapping[str, Sequence[str]],
) -> Statement:
    """How an image was made, all its platforms at once.

    `tags` are those that it is published under in the subjects' repository, without dates, each with its platforms.
    Raises PublishError where it was made from other inputs than the lock names.
    """
    if artifact.lock != "exact":
        raise PublishError(
            f"{image.name} was made from other inputs than its lock names ({artifact.lock})", "build it with --locked"
        )
    git = f"git+{origin.repository}"
    sources = [
        {"uri": git, "digest": {"gitCommit": origin.revision}},
        {"uri": f"{git}#{locked.file}", "name": locked.file, "digest": {"sha256": locked.sha256}},
    ]
    predicate = {
        "buildDefinition": {
            "buildType": statement.BUILD_TYPE,
            "externalParameters": {
                "image": image.name,
                "tags": {tag: sorted(platforms) for tag, platforms in sorted(tags.items())},
                "platforms": sorted(artifact.platforms),
                "repository": origin.repository,
                "revision": origin.revision,
            },
            "internalParameters": {
                "engine": artifact.engine,
                "inputHash": artifact.input_hash,
                "inputs": dict(artifact.inputs),
                "lock": artifact.lock,
            },
            "resolvedDependencies": [*sources, *_dependencies(image, locked.lock, artifact.platforms)],
        },
        "runDetails": {
            "builder": {"id": origin.builder, "version": {"imagemill": __version__, "go": go_version()}},
            "metadata": {"invocationId": artifact.input_hash},
        },
    }
    return Statement(subjects, statement.PROVENANCE, predicate)


def _dependencies(image: Image, lock: Lock, platforms: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Every locked input once, sorted, with the platforms whose layers take it."""
    found: dict[str, dict[str, Any]] = {}
    for platform in sorted(platforms):
        for item in _inputs(image, lock, platform.partition("/")[2]):
            row = found.setdefault(_uri(item), {"digest": _digest(item), **_told(item)})
            row.setdefault("annotations", {}).setdefault("platforms", []).append(platform)
    for uri, row in sorted(found.items()):
        yield {"uri": uri, **row}


def _inputs(image: Image, lock: Lock, arch: str) -> list[Item]:
    """What is in an image for one architecture, and what was only needed to make it."""
    items = {item for name in database_sets(image) for item in lock.inputs(name, arch).items}
    layers = (image.base.system, image.offer.language, image.base.toolchain, image.offer.build)
    for layer in layers if image.variant == "build" else layers[:2]:
        items |= set(_tools(image, layer, lock, arch))
    return sorted(items, key=_uri)


def _tools(image: Image, layer: Layer, lock: Lock, arch: str) -> Iterator[Item]:
    """What compiles a layer: of a language from source its compiler and libraries, of Java programs the JDK."""
    if layer.source is not None:
        for kind in ("source", "cross"):
            yield from lock.sets.get(f"{image.runtime.name}/{kind}", {}).get(arch, Inputs()).debian
    for jar in layer.jars.values():
        for name in compiler_sets(jar.compiler):
            for one in lock.sets.get(name, {}).get(arch, Inputs()).debian:
                if one.name.startswith("openjdk-"):
                    yield one


def _uri(item: Item) -> str:
    match item:
        case DebianPackage():
            return Component("deb", item.name, item.version, "debian", (("arch", item.architecture),)).purl
        case Wheel():
            return Component("pypi", item.name, item.version, qualifiers=(("file_name", item.file),)).purl
        case NpmPackage():
            namespace, _, name = item.name.rpartition("/")
            return Component("npm", name, item.version, namespace).purl
        case Download():
            return item.url
        case BaseImage():
            return f"docker://{item.name}@{item.digest}"


def _told(item: Item) -> dict[str, Any]:
    """What else is known of an input, for those that look for it."""
    told: dict[str, Any] = {"name": item.name, "annotations": {"version": item.version}}
    match item:
        case DebianPackage():
            told["annotations"] |= {"archive": item.archive, "path": item.path, "source": item.source}
        case BaseImage():
            told["annotations"]["index"] = item.index
        case _:
            pass
    return told


def _digest(item: Item) -> dict[str, str]:
    match item:
        case NpmPackage():
            algorithm, _, value = item.integrity.partition("-")
            return {algorithm: base64.b64decode(value).hex()}
        case BaseImage():
            return {"sha256": item.digest.partition(":")[2]}
        case _:
            return {"sha256": item.sha256}
