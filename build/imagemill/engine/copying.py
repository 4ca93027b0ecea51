"""COPY, ADD and WORKDIR: what they change in a tree of files, to the mode, as BuildKit does it.

Source: Dockerfile reference, "COPY" and "ADD"; BuildKit's own behaviour, against which tests fuzz this.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from imagemill.engine.dockerignore import pattern_of
from imagemill.errors import LayoutError
from imagemill.filetree import Entry, Tree
from imagemill.merged import MergedTree

_WILD = frozenset("*?[")


class CopyError(Exception):
    """What cannot be copied as the instruction says; the message says why."""


@dataclass
class Layer:
    """Changes to `tree`, gathered: what one instruction adds to an image. `epoch` is the time of what it makes."""

    tree: MergedTree
    epoch: int
    changed: set[str] = field(default_factory=set)

    def put(self, path: str, entry: Entry) -> str:
        """Have an entry at this path, whose parents are there. Returns its key."""
        key = self.tree.put(path, entry)
        self.changed.add(key)
        self._touch(posixpath.dirname(key))
        return key

    def directory(self, path: str, uid: int = 0, gid: int = 0) -> str:
        """The key of a directory, made with its parents where it is missing. CopyError where a file is."""
        key = ""
        for part in path.strip("/").split("/") if path.strip("/") else ():
            step = f"{key}/{part}" if key else part
            entry = self.tree.entries.get(step)
            if entry is None:
                key = self.put(step, Entry("dir", 0o755, uid, gid, self.epoch))
                continue
            end = self.tree.resolve(step)
            if end is None and entry.kind == "symlink":
                end = self.directory(posixpath.join("/", posixpath.dirname(step), entry.target), uid, gid)
            if end is None or (end and self.tree.entries[end].kind != "dir"):
                raise CopyError(f"/{step} is no directory")
            key = end
        return key

    def entries(self) -> Tree:
        """What the layer holds: the changes, and the directories above them as they are."""
        keys = {key for key in self.changed if key in self.tree.entries}
        for key in list(keys):
            while key := posixpath.dirname(key):
                keys.add(key)
        return {key: self.tree.entries[key] for key in keys}

    def _touch(self, folder: str) -> None:
        if folder and folder not in self.changed:
            self.tree.entries[folder] = replace(self.tree.entries[folder], mtime=self.epoch)
            self.changed.add(folder)


@dataclass(frozen=True)
class How:
    """Owner (user and group) and mode of what is copied; None keeps each file's own."""

    owner: tuple[int, int] | None = None
    mode: int | None = None

    @property
    def makers(self) -> tuple[int, int]:
        """Whose the directories are that have to be made."""
        return self.owner or (0, 0)

    def of(self, entry: Entry) -> Entry:
        """An entry as it arrives."""
        mode = entry.mode if self.mode is None or entry.kind == "symlink" else self.mode
        uid, gid = self.owner or (entry.uid, entry.gid)
        return replace(entry, uid=uid, gid=gid, mode=mode)


def sources(source: MergedTree, words: Sequence[str]) -> list[str]:
    """The keys that the words of a COPY stand for, globs replaced. CopyError for a path that is not there."""
    found: list[str] = []
    for word in words:
        path = posixpath.normpath(posixpath.join("/", word)).strip("/")
        if _WILD & set(path):
            found += _globbed(source, path)
        elif path and source.stat(path) is None:
            raise CopyError(f"{word!r} is not there")
        else:
            found.append(path)
    return found


def copy(layer: Layer, source: MergedTree, keys: Sequence[str], target: str, how: How) -> None:
    """Copy files, and what is in directories, to `target`; a slash at its end says that it is a directory."""
    for key in keys:
        end = source.resolve(key)
        if end is None:
            raise CopyError(f"/{key} leads nowhere")
        into = target.endswith("/")
        folder = layer.directory(target if into else posixpath.dirname(target), *how.makers)
        if end == "" or source.entries[end].kind == "dir":
            _copy_directory(layer, source, end, target, how)
            continue
        place = _final(layer, target, folder)
        there = layer.tree.entries.get(place)
        if not place or (there is not None and there.kind == "dir"):
            place = f"{place}/{posixpath.basename(key)}".lstrip("/")
        _copy_file(layer, source, end, place, how)


def working_directory(layer: Layer, path: str, owner: Callable[[], tuple[int, int]]) -> None:
    """Have the directory of a WORKDIR: what has to be made for it belongs to the USER."""
    key = layer.tree.resolve(path)
    if key is None or (key and layer.tree.entries[key].kind != "dir"):
        layer.directory(path, *owner())


def unpack(layer: Layer, entries: Iterator[tuple[str, Entry]], target: str, how: How) -> None:
    """Unpack the entries of a tar below `target`, as ADD does: they keep their owners, the directory gets its own."""
    top = layer.directory(target, *how.makers)
    for path, entry in entries:
        if not path:
            continue
        place = f"{top}/{path}".lstrip("/")
        folder = layer.directory(posixpath.dirname(place))
        place = f"{folder}/{posixpath.basename(path)}".lstrip("/")
        there = layer.tree.entries.get(place)
        if entry.kind == "hardlink":
            held = layer.tree.stat(f"{top}/{entry.target}")
            if held is None:
                raise CopyError(f"{path}: a hard link to {entry.target}, which is not there")
            entry = held
        if there is not None and there.kind == "dir" and entry.kind == "dir":
            layer.tree.entries[place] = entry
            layer.changed.add(place)
        else:
            layer.put(place, entry)


def _globbed(source: MergedTree, pattern: str) -> Iterator[str]:
    parts = pattern.count("/")
    if pattern.replace("\\[", "").count("[") > pattern.count("]"):
        raise CopyError(f"{pattern!r}: a [ is not closed")
    match = pattern_of(pattern.replace("**", "*"))  # Go's filepath.Match knows no **
    for key in sorted(source):
        if key.count("/") == parts and match.fullmatch(key):
            yield key


def _final(layer: Layer, target: str, folder: str) -> str:
    """The key that a target leads to, links followed; it need not be there."""
    if target.endswith("/"):
        return folder
    name = posixpath.basename(target)
    place = f"{folder}/{name}".lstrip("/") if name else folder
    for _ in range(40):
        entry = layer.tree.entries.get(place)
        if entry is None or entry.kind != "symlink":
            return place
        led = posixpath.normpath(posixpath.join("/", posixpath.dirname(place), entry.target))
        parent = layer.tree.resolve(posixpath.dirname(led))
        if parent is None:
            raise CopyError(f"/{place} leads nowhere")
        place = f"{parent}/{posixpath.basename(led)}".strip("/")
    raise CopyError(f"/{place} leads round in a circle")


def _copy_file(layer: Layer, source: MergedTree, key: str, place: str, how: How) -> None:
    there = layer.tree.entries.get(place)
    if there is not None and there.kind == "dir":
        raise CopyError(f"/{place} is a directory, and a file is to take its place")
    try:
        layer.put(place, how.of(source.entries[key]))
    except LayoutError:
        raise CopyError(f"/{posixpath.dirname(place)} is no directory") from None


def _copy_directory(layer: Layer, source: MergedTree, key: str, target: str, how: How) -> None:
    """Copy what is in a directory, not the directory itself."""
    folder = layer.directory(posixpath.dirname(target.rstrip("/")), *how.makers)
    place = _final(layer, target.rstrip("/") or "/", folder)
    if place and place not in layer.tree.entries:
        layer.directory(place, *how.makers)
    elif place and layer.tree.entries[place].kind != "dir":
        raise CopyError(f"/{place} is no directory")
    _copy_children(layer, source, key, place, how)


def _copy_children(layer: Layer, source: MergedTree, key: str, place: str, how: How) -> None:
    for child in source.children(key):
        entry = source.entries[child]
        target = f"{place}/{posixpath.basename(child)}".lstrip("/")
        if entry.kind != "dir":
            _copy_file(layer, source, child, target, how)
            continue
        there = layer.tree.entries.get(target)
        if there is not None and there.kind != "dir":
            raise CopyError(f"/{target} is no directory, and one is to be copied there")
        if there is None:
            layer.put(target, how.of(entry))
        else:
            layer.tree.entries[target] = how.of(entry)
            layer.changed.add(target)
        _copy_children(layer, source, child, target, how)
