"""What is published: the tags of a repository, what they point at, and whether it is signed.

Tags that clients keep signatures, attestations and lists of them under are none of an image, and not told.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagemill.errors import RegistryError
from imagemill.oci import ANNOTATION, Descriptor, sha256
from imagemill.plan import Image
from imagemill.reports.markdown import escaped, table
from imagemill.reports.summary import printable

_ASKED_AT_ONCE = 16
_OF_CLIENTS = re.compile(r"sha256-[0-9a-f]{64}(\..+)?")
_DATED = re.compile(r"\d{8}(\.\d+)?-")
_PREDICATE, _SIGNATURE = "dev.sigstore.bundle.predicateType", "https://sigstore.dev/cosign/sign/v1"
_NOTATION = "io.cncf.notary.x509chain.thumbprint#S256"


class Repository(Protocol):
    """The part of registry.Repository that is needed here."""

    def tags(self) -> list[str]:
        """All tags."""

    def manifest(self, reference: str) -> bytes:
        """The bytes of a manifest."""

    def small_blob(self, digest: str) -> bytes:
        """The bytes of a blob, checked."""

    def referrers(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a manifest."""


@dataclass(frozen=True, order=True)
class Listed:
    """One tag. `created` is RFC 3339, and like `end_of_life` (a date) empty where nothing says it.

    `signatures` names the kinds that are there: `cosign`, `notation`, `notary`. `imagemill verify` tells whose.
    """

    repository: str
    tag: str
    digest: str
    created: str = ""
    platforms: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    end_of_life: str = ""


@dataclass(frozen=True)
class _Image:
    """What a digest is."""

    created: str
    platforms: tuple[str, ...]


def listed(
    repository: Repository, ends: Mapping[str, datetime.date], called: str, trusted: Mapping[str, str] = {}
) -> list[Listed]:
    """The tags of a repository, sorted; none where it is not there.

    `called` is what people call it; `ends` is what `ends_of_life` gives; `trusted` has the digests of tags in Notary's
    metadata.
    """
    names = repository.tags()
    signed = {name.removesuffix(".sig").replace("-", ":", 1) for name in names if name.endswith(".sig")}
    shown = [name for name in names if not _OF_CLIENTS.fullmatch(name)]
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        data = dict(zip(shown, pool.map(repository.manifest, shown), strict=True))
        digests = {name: sha256(found) for name, found in data.items()}
        bytes_of = {digests[name]: found for name, found in data.items()}
        children = _children(bytes_of.values())
        read = pool.map(lambda row: _image(repository, row[0], row[1], children), bytes_of.items())
        images = dict(zip(bytes_of, read, strict=True))
        kinds = pool.map(lambda digest: _signatures(repository, digest, signed), bytes_of)
        signatures = dict(zip(bytes_of, kinds, strict=True))
    rows = []
    for name, digest in digests.items():
        by_notary = {"notary" if trusted[name] == digest else "notary: another digest"} if name in trusted else set()
        end = _end(called, name, ends)
        rows.append(
            Listed(
                called,
                name,
                digest,
                images[digest].created,
                images[digest].platforms,
                tuple(sorted(signatures[digest] | by_notary)),
                end.isoformat() if end else "",
            )
        )
    return sorted(rows)


def ends_of_life(images: Iterable[Image]) -> dict[str, datetime.date]:
    """When the support of each planned tag ends; an alias in a repository of its own as `lambda-python:3.13`."""
    found: dict[str, datetime.date] = {}
    for image in images:
        if image.runtime.deprecated is None:
            continue
        prefix = "" if image.variant == "run" else f"{image.variant}-"
        names = [*image.tags]
        for alias in image.runtime.aliases:
            repository, _, tag = alias.rpartition(":")
            names.append(f"{repository}:{prefix}{tag}" if repository else f"{prefix}{tag}")
        found |= dict.fromkeys(names, image.runtime.deprecated)
    return found


def to_json(rows: Sequence[Listed]) -> str:
    """The tags as JSON: a list, indented, ASCII."""
    return json.dumps([asdict(row) for row in rows], indent=1, sort_keys=True) + "\n"


def to_markdown(rows: Sequence[Listed]) -> str:
    """The tags as a table of Markdown, a heading for each repository."""
    lines: list[str] = []
    for name in dict.fromkeys(row.repository for row in rows):
        body = [
            [f"`{row.tag}`", f"`{row.digest}`", row.created[:10], ", ".join(map(escaped, row.platforms)),
             ", ".join(map(escaped, row.signatures)) or "**no**", row.end_of_life]
            for row in rows if row.repository == name
        ]  # fmt: skip
        head = ["tag", "digest", "made", "platforms", "signed", "AWS supports it until"]
        lines += [f"## {escaped(name)}", "", *table(head, body), ""]
    return "\n".join(lines)


def show(rows: Sequence[Listed], today: datetime.date, console: Console) -> None:
    """Print the tags for people; what is not signed, or at its end, stands out."""
    for name in dict.fromkeys(row.repository for row in rows):
        found = Table("tag", "digest", "made", "platforms", "signed", "until", box=None, pad_edge=False, title=name)
        found.title_justify, found.header_style = "left", "bold"
        for row in rows:
            if row.repository == name:
                over = bool(row.end_of_life) and row.end_of_life <= today.isoformat()
                found.add_row(
                    Text(printable(row.tag)),
                    Text(row.digest[:19], style="dim"),
                    Text(printable(row.created[:10])),
                    Text(printable(", ".join(one.removeprefix("linux/") for one in row.platforms))),
                    Text(", ".join(row.signatures)) if row.signatures else Text("no", style="bold red"),
                    Text(row.end_of_life, style="yellow" if over else ""),
                )
        console.print(found)


def _children(manifests: Iterable[bytes]) -> dict[str, str]:
    """Digest -> platform of what indexes list, so that nobody has to read it from a configuration."""
    found: dict[str, str] = {}
    for data in manifests:
        for row in _object(data).get("manifests") or ():
            platform = _platform(row.get("platform") or {})
            if platform:
                found[str(row.get("digest"))] = platform
    return found


def _image(repository: Repository, digest: str, data: bytes, children: Mapping[str, str]) -> _Image:
    found = _object(data)
    created = str((found.get("annotations") or {}).get(f"{ANNOTATION}created", ""))
    rows = found.get("manifests")
    if rows is not None:
        platforms = {_platform(row.get("platform") or {}) for row in rows} - {""}
        if rows and not created:
            child = str(rows[0]["digest"])
            created = _image(repository, child, repository.manifest(child), children).created
        return _Image(created, tuple(sorted(platforms)))
    platform = children.get(digest, "")
    if not (created and platform):
        config = _object(repository.small_blob(str((found.get("config") or {}).get("digest"))))
        created, platform = created or str(config.get("created") or ""), platform or _platform(config)
    return _Image(created, (platform,) if platform else ())


def _signatures(repository: Repository, digest: str, signed: Collection[str]) -> set[str]:
    """The kinds of signatures of a manifest: under a tag of cosign, or referring to it."""
    found = {"cosign"} if digest in signed else set()
    for row in repository.referrers(digest):
        if row.annotations.get(_PREDICATE) == _SIGNATURE:
            found.add("cosign")
        elif _NOTATION in row.annotations:
            found.add("notation")
    return found


def _end(repository: str, tag: str, ends: Mapping[str, datetime.date]) -> datetime.date | None:
    """Of a tag, whatever its date and architecture are."""
    name = _DATED.sub("", tag, count=1)
    path = repository.partition("/")[2].split("/")
    for word in (name, name.rpartition("-")[0]):
        for place in (word, *(f"{'/'.join(path[at:])}:{word}" for at in range(len(path)))):
            if place in ends:
                return ends[place]
    return None


def _platform(row: Mapping[str, Any]) -> str:
    """`linux/arm64`; empty for attestations, whose system is unknown."""
    system, arch = str(row.get("os", "unknown")), str(row.get("architecture", ""))
    return "" if system == "unknown" else f"{system}/{arch}"


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RegistryError("a manifest or configuration is no JSON object", "look who wrote it")
    return found
