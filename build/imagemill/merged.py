"""What an image shows: its layers laid over each other, without a daemon and without unpacking them.

Source of the rules: OCI Image Format Specification 1.1, "Filesystem Layers" (whiteouts, opaque whiteouts).
"""

from __future__ import annotations

import mmap
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from imagemill.errors import LayoutError
from imagemill.filetree import Entry, Slice, Tree

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MAX_HOPS = 40  # what Linux follows before ELOOP
_MOST_STEPS = 20_000_000  # parts of links' targets followed in one tree: some 20 s; the largest image has 100,000

Walked = Sequence[tuple[str, Entry]]
"""The entries of one layer, in the order of its tar."""


class MergedTree:
    """The file tree of an image. Paths are given with or without a leading slash; keys have none."""

    def __init__(self, maps: Mapping[Path, mmap.mmap | bytes] = MappingProxyType({})) -> None:
        self.entries: Tree = {}
        self._children: dict[str, set[str]] = {"": set()}
        self._maps = maps
        self._steps = 0

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def stat(self, path: str) -> Entry | None:
        """The entry at `path` itself, not followed when it is a link; None when there is none.

        Links among the directories that lead there are followed.
        """
        parent, name = posixpath.split(path.strip("/"))
        if not self._is_directory(parent):
            resolved = self.resolve(parent)
            if resolved is None:
                return None
            parent = resolved
        return self.entries.get(_join(parent, name))

    def resolve(self, path: str) -> str | None:
        """The key that `path` leads to when every link is followed inside the image ("" is the root).

        None when it leads nowhere, or round in a loop.
        """
        key = path.strip("/")
        entry = self.entries.get(key)  # keys have no links in them
        return key if entry is not None and entry.kind != "symlink" else self._follow("", path)[0]

    def link_end(self, path: str) -> tuple[str | None, bool]:
        """Where the link at key `path` leads (None: nowhere), and whether it climbs above the root."""
        return self._follow(posixpath.dirname(path), self.entries[path].target)

    def children(self, path: str) -> list[str]:
        """The keys in the directory with key `path`, sorted."""
        return sorted(self._children.get(path, ()))

    def read(self, path: str) -> bytes:
        """The content of the file that `path` leads to. LayoutError when there is no such file."""
        key = self.resolve(path)
        entry = self.entries.get(key) if key else None
        if entry is None or entry.kind != "file":
            raise LayoutError(f"the image has no file {path}", "look at its layers")
        return self.part(entry, 0, entry.size)

    def part(self, entry: Entry, offset: int, size: int) -> bytes:
        """`size` bytes of a file from `offset`, fewer at its end, without reading the rest."""
        content = entry.content
        if isinstance(content, bytes):
            return content[offset : offset + size]
        stop = content.offset + min(offset + size, content.size)
        begin = min(content.offset + offset, stop)
        if content.file in self._maps:
            return self._maps[content.file][begin:stop]
        return Slice(content.file, begin, stop - begin).read()

    def apply(self, layer: Walked) -> None:
        """Lay one more layer on top: first what it takes away from those below, then what it brings."""
        for path in [path for path, _ in layer if _WHITEOUT in path]:
            folder, _, name = path.rpartition("/")
            if name == _OPAQUE:
                key = self._directory(folder, make=False)
                for child in self.children(key) if key is not None else ():
                    self._remove(child)
            elif name.startswith(_WHITEOUT) and not name.startswith(_WHITEOUT * 2):
                key = self._directory(folder, make=False)
                if key is not None and name != _WHITEOUT:
                    self._remove(_join(key, name.removeprefix(_WHITEOUT)))
        for path, entry in layer:
            folder, _, name = path.rpartition("/")
            if path and not name.startswith(_WHITEOUT):
                parent = folder if folder in self._children else self._directory(folder, make=True)
                if parent is None:
                    raise LayoutError(f"layer entry {path!r} lies below a file", "the layer is damaged")
                self._put(parent, path if parent is folder else _join(parent, name), entry)

    def _put(self, parent: str, key: str, entry: Entry) -> None:
        if entry.kind == "hardlink":
            resolved = self.stat(entry.target)
            entry = resolved if resolved is not None and resolved.kind != "dir" else entry
        if entry.kind != "dir" and key in self._children:
            self._remove(key)
        elif entry.kind == "dir":
            self._children.setdefault(key, set())
        self.entries[key] = entry
        self._children[parent].add(key)

    def _remove(self, key: str) -> None:
        doomed = [key]
        while doomed:
            path = doomed.pop()
            doomed += self._children.pop(path, ())
            self.entries.pop(path, None)
        self._children[posixpath.dirname(key)].discard(key)

    def _is_directory(self, key: str) -> bool:
        return key in self._children  # keys never lead through a link, so a known directory is a real one

    def _directory(self, path: str, *, make: bool) -> str | None:
        """The key of directory `path` below links; where it is missing, it is made if `make` says so."""
        key = ""
        for part in path.split("/") if path else ():
            step = _join(key, part)
            if not self._is_directory(step):
                end = self.resolve(step)
                if end is None and make and step not in self.entries:
                    self._put(key, step, Entry("dir", 0o755))
                    end = step
                if end is None or not self._is_directory(end):
                    return None
                step = end
            key = step
        return key

    def _follow(self, start: str, path: str) -> tuple[str | None, bool]:
        here = [] if path.startswith("/") or not start else start.split("/")
        steps = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        hops, climbed = 0, False
        while steps:
            part = steps.pop()
            if part == "..":
                climbed = climbed or not here
                del here[-1:]
                continue
            key = "/".join((*here, part))
            entry = self.entries.get(key)
            if entry is None or (steps and entry.kind not in ("dir", "symlink")):
                return None, climbed
            if entry.kind != "symlink":
                here.append(part)
                continue
            hops += 1
            if hops > _MAX_HOPS:
                return None, climbed
            if entry.target.startswith("/"):
                here = []
            self._steps += entry.target.count("/") + 1
            if self._steps > _MOST_STEPS:
                raise LayoutError(f"links lead through links without end, as at {key[:200]!r}", "the layer is hostile")
            steps += [step for step in reversed(entry.target.split("/")) if step not in ("", ".")]
        return "/".join(here), climbed


def merge(layers: Sequence[Walked], maps: Mapping[Path, mmap.mmap | bytes] = MappingProxyType({})) -> MergedTree:
    """The tree of an image from its layers, the lowest first; `maps` has the files they point into."""
    tree = MergedTree(maps)
    for layer in layers:
        tree.apply(layer)
    return tree


def _join(parent: str, name: str) -> str:
    return f"{parent}/{name}" if parent else name
