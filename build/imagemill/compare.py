"""Two images that should be one: which file of which layer differs, and how; and where their configurations do."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from imagemill.differences import documents, entries, first_difference
from imagemill.filetree import Tree
from imagemill.oci import Layout
from imagemill.spool import spool
from imagemill.tarwalk import walk


@dataclass(frozen=True)
class Difference:
    """One difference: `where` (a layer, the configuration), `what` of it (a path and a property), and both values."""

    where: str
    what: str
    one: str
    other: str

    def __str__(self) -> str:
        values = f": {self.one} → {self.other}" if self.one != self.other else ""
        return f"{self.where}: {self.what}{values}"


def compare(one: Layout, other: Layout, scratch: Path) -> list[Difference]:
    """How the only image of layout `other` differs from that of `one`; empty when their manifests are the same.

    `scratch` takes the layers that differ, decompressed. Raises LayoutError for what is no image.
    """
    manifests = [layout.read_json(layout.images()[0].digest) for layout in (one, other)]
    if manifests[0] == manifests[1]:
        return []
    configs = [
        layout.read_json(manifest["config"]["digest"]) for layout, manifest in zip((one, other), manifests, strict=True)
    ]
    found = []
    names = _layer_names(configs[0])
    pairs = zip_longest(manifests[0]["layers"], manifests[1]["layers"])
    for number, (left, right) in enumerate(pairs):
        where = f"layer {number + 1} ({names[number] if number < len(names) else 'without history'})"
        if left is None or right is None:
            found.append(Difference(where, "layer", *("missing" if row is None else "there" for row in (left, right))))
        elif left["digest"] != right["digest"]:
            files = [
                spool(layout.blob_path(row["digest"]), row["digest"], scratch)
                for layout, row in ((one, left), (other, right))
            ]
            found += [Difference(where, *row) for row in _layers(*files)]
    # what the layers' digests alone change is told above
    configs = [{**config, "rootfs": {**config.get("rootfs", {}), "diff_ids": []}} for config in configs]
    found += [Difference("configuration", *row) for row in documents(configs[0], configs[1], "$")]
    for manifest in manifests:
        manifest["config"] = {**manifest["config"], "digest": "", "size": 0}
        manifest["layers"] = [{**layer, "digest": "", "size": 0} for layer in manifest["layers"]]
    found += [Difference("manifest", *row) for row in documents(manifests[0], manifests[1], "$")]
    return found


def _layer_names(config: Mapping[str, Any]) -> list[str]:
    """What the history says of each layer."""
    return [row.get("created_by", "") for row in config.get("history", []) if not row.get("empty_layer")]


def _layers(one: Path, other: Path) -> Iterator[tuple[str, str, str]]:
    """How two plain tars differ: what, and the two values."""
    with _mapped(one) as left, _mapped(other) as right:
        trees = dict(walk(left, one)), dict(walk(right, other))
        told = False
        for row in _trees(*trees):
            told = True
            yield row
        if told:
            return
        for place, (here, there) in enumerate(zip(trees[0], trees[1], strict=True)):
            if here != there:
                yield f"entry {place + 1} of the archive", f"/{here}", f"/{there}"
                return
        byte = first_difference(left, right)
        if byte is None:
            yield "the same archive, compressed in another way", "", ""
        else:
            yield f"the same files, in an archive that differs at byte {byte}", "", ""


def _trees(one: Tree, other: Tree) -> Iterator[tuple[str, str, str]]:
    for path in sorted(one.keys() | other.keys()):
        left, right = one.get(path), other.get(path)
        if left is None or right is None:
            yield f"/{path}", "missing" if left is None else left.kind, "missing" if right is None else right.kind
        else:
            yield from ((f"/{path}: {what}", before, after) for what, before, after in entries(left, right))


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
