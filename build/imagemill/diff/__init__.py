"""What changed from one image to another: environment, configuration, packages, tools, files and sizes.

Times of files are left out: they change with every build and matter to nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from imagemill.diff.contents import packages, tools
from imagemill.differences import CONTENT, entries
from imagemill.errors import LayoutError
from imagemill.filetree import Entry
from imagemill.merged import MergedTree
from imagemill.oci import Layout
from imagemill.spool import Layers

FORMAT: Literal[1] = 1


@dataclass(frozen=True)
class Opened:
    """An image that was opened: its configuration as OCI spells it, its layers' bytes as pulled, and its tree."""

    name: str
    digest: str
    platform: str
    config: Mapping[str, Any]
    layers: tuple[int, ...]
    tree: MergedTree


@dataclass(frozen=True)
class Side:
    """One of the two images. `size` is what is pulled, `unpacked` the bytes of its files; both in bytes."""

    name: str
    digest: str
    platform: str
    layers: int
    size: int
    unpacked: int
    files: int


@dataclass(frozen=True)
class Change:
    """One thing and its value in both images; empty where an image has it not, or empty."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class FileChange:
    """A path that only one image has, or whose entries differ, and how: type, mode, owner, content …"""

    path: str
    change: Literal["added", "removed", "changed"]
    size_before: int
    size_after: int
    properties: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Diff:
    """All that changed from `one` to `other`; each list sorted. It is written as JSON in this form."""

    format: Literal[1]
    one: Side
    other: Side
    environment: tuple[Change, ...] = field(default=())
    configuration: tuple[Change, ...] = field(default=())
    packages: tuple[Change, ...] = field(default=())
    tools: tuple[Change, ...] = field(default=())
    files: tuple[FileChange, ...] = field(default=())

    @property
    def same(self) -> bool:
        """Whether nothing that counts differs; the digests may."""
        return not (self.environment or self.configuration or self.packages or self.tools or self.files)


def open_layout(path: Path, layers: Layers, *, platform: str = "", name: str = "") -> Opened:
    """The image for `platform` in the layout at `path`, or its only one. Raises LayoutError for none or several."""
    layout = Layout(path)
    images = layout.images()
    fitting = [image for image in images if not platform or image.platform == platform]
    if len(fitting) != 1:
        there = ", ".join(sorted(image.platform for image in images)) or "none"
        raise LayoutError(
            f"{path} has {len(fitting)} images for {platform or 'any platform'}: {there}", "use --platform"
        )
    manifest = layout.read_json(fitting[0].digest)
    config = layout.read_json(manifest["config"]["digest"])
    blobs = [(row["digest"], layout.blob_path(row["digest"])) for row in manifest["layers"]]
    sizes = tuple(row["size"] for row in manifest["layers"])
    return Opened(name or str(path), fitting[0].digest, fitting[0].platform, config, sizes, layers.tree(blobs))


def diff(one: Opened, other: Opened) -> Diff:
    """What changed from `one` to `other`."""
    before, after = _environment(one.config), _environment(other.config)
    return Diff(
        FORMAT,
        _side(one),
        _side(other),
        tuple(_pairs(before, after)),
        tuple(_pairs(_settings(one.config), _settings(other.config))),
        tuple(_pairs(packages(one.tree), packages(other.tree))),
        tuple(_pairs(tools(one.tree, before), tools(other.tree, after))),
        tuple(_files(one.tree, other.tree)),
    )


def _side(image: Opened) -> Side:
    sizes = [entry.size for entry in image.tree.entries.values() if entry.kind == "file"]
    layers = image.layers
    return Side(image.name, image.digest, image.platform, len(layers), sum(layers), sum(sizes), len(image.tree))


def _environment(config: Mapping[str, Any]) -> dict[str, str]:
    pairs = (line.partition("=") for line in (config.get("config") or {}).get("Env") or ())
    return {name: value for name, _, value in pairs}


def _settings(config: Mapping[str, Any]) -> dict[str, str]:
    """The configuration, a row for each setting and label, lists as JSON.

    Without what is told elsewhere: the environment, the layers, how it was made, and when.
    """
    rows = {key: value for key, value in config.items() if key not in ("config", "rootfs", "history", "created")}
    rows |= {key: value for key, value in (config.get("config") or {}).items() if key != "Env"}
    found: dict[str, str] = {}
    for key, value in rows.items():
        inner = {f"{key}.{name}": each for name, each in value.items()} if isinstance(value, Mapping) else {key: value}
        if value:  # engines write null, "" and [] for what is not set
            found |= {name: each if isinstance(each, str) else json.dumps(each) for name, each in inner.items()}
    return found


def _pairs(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Change(name, before.get(name, ""), after.get(name, ""))


def _files(one: MergedTree, other: MergedTree) -> Iterator[FileChange]:
    def read(entry: Entry) -> bytes:
        return one.part(entry, 0, entry.size)

    def read_other(entry: Entry) -> bytes:
        return other.part(entry, 0, entry.size)

    for key in sorted(one.entries.keys() | other.entries.keys()):
        left, right = one.entries.get(key), other.entries.get(key)
        if left == right:  # the same bytes of the same layer, most of the time
            continue
        if left is None or right is None:
            there = left or right
            change: Literal["added", "removed"] = "added" if left is None else "removed"
            sizes = (0, right.size) if right else (left.size if left else 0, 0)
            yield FileChange(f"/{key}", change, *sizes, tuple(_properties(there, change)) if there else ())
            continue
        told = [_change(*row) for row in entries(left, right, read, read_other) if row[0] != "time"]
        if told:
            yield FileChange(f"/{key}", "changed", left.size, right.size, tuple(told))


def _properties(entry: Entry, change: str) -> Sequence[Change]:
    values = {"type": entry.kind, "mode": f"{entry.mode:04o}", "owner": f"{entry.uid}:{entry.gid}"}
    values |= {"link target": entry.target} if entry.target else {}
    return [Change(what, *(("", value) if change == "added" else (value, ""))) for what, value in values.items()]


def _change(what: str, before: str, after: str) -> Change:
    return Change("content", before, after) if what.startswith(CONTENT) else Change(what, before, after)
