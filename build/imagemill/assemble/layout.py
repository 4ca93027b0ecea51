"""Where the files of packages go in a layer: what is moved, what is left out, and what must not collide."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from imagemill.assemble.deb import Package
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree

_DOC = re.compile(r"usr/share/doc/[^/]+(/copyright)?")


class Globs:
    """Paths to leave out. A glob means the path and all that is below it; `*` matches slashes, as in dpkg.

    Copyright files stay whatever the globs say: licences ask for it.
    """

    def __init__(self, globs: Sequence[str]) -> None:
        # fnmatch.translate gives (?s:…)\Z; the end is ours
        rules = [fnmatch.translate(glob.lstrip("/")).removesuffix(r"\Z") for glob in globs]
        self._rule = re.compile("|".join(rf"{rule}(?:/.*)?\Z" for rule in rules) or r"(?!)", re.DOTALL)

    def match(self, path: str, entry: Entry) -> bool:
        """Whether to leave `path` out."""
        if self._rule.match(path) is None:
            return False
        documents = _DOC.fullmatch(path)
        # /usr/share/doc/libpython3.13-stdlib is a link to where the copyright file is
        return documents is None or not (documents[1] or entry.kind == "symlink")


def place(tree: Tree, move: Mapping[str, str], globs: Globs) -> dict[str, str]:
    """Where each of a package's paths goes in the layer; what is left out is not in the result.

    Neither are directories of which nothing is left: a layer below may have them, and then engines differ on whether
    they belong to this one too (containerd leaves out what is below already, Docker's older store does not).
    """
    moves = _moves(move)
    places = {path: _moved(path, moves) for path in tree} if moves else {path: path for path in tree}
    kept = {path: place for path, place in places.items() if not globs.match(place, tree[path])}
    for path in list(kept):
        parent = path.rpartition("/")[0]
        while parent and parent in tree and parent not in kept:  # the directory of a copyright file
            kept[parent] = places[parent]
            parent = parent.rpartition("/")[0]
    had = {path.rpartition("/")[0] for path in tree}
    could_be_empty = {path for path in kept if path in had and tree[path].kind == "dir"}
    filled = _above(place for path, place in kept.items() if path not in could_be_empty)
    return {path: place for path, place in kept.items() if path not in could_be_empty or place in filled}


def _above(paths: Iterable[str]) -> set[str]:
    """The directories that these paths are in."""
    found: set[str] = set()
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return found


def moved(tree: Tree, move: Mapping[str, str]) -> Tree:
    """The files of modules, which have no links, in their places."""
    moves = _moves(move)
    return {_moved(path, moves): entry for path, entry in tree.items()} if moves else tree


def _moves(move: Mapping[str, str]) -> list[tuple[str, str]]:
    """The moves of a manifest, the longest of several prefixes first."""
    return sorted(((old.strip("/"), new.strip("/")) for old, new in move.items()), reverse=True)


def _moved(path: str, moves: Sequence[tuple[str, str]]) -> str:
    """Where a path goes; `moves` as `_moves` sorts them."""
    for old, new in moves:
        if path == old or path.startswith(old + "/"):
            return new + path[len(old) :]
    return path


def union(packages: Sequence[Package], kept: Sequence[Mapping[str, str]], move: Mapping[str, str]) -> Tree:
    """The files of all packages in their places. Raises AssembleError when two packages bring one path."""
    moves = _moves(move)
    whole: Tree = {}
    owner: dict[str, Package] = {}
    for package, places in zip(packages, kept, strict=True):
        for place, entry in _placed(package.tree, places, moves).items():
            there = whole.get(place)
            if there is not None and not _alike(there, entry):
                raise AssembleError(
                    f"packages {owner[place].name} and {package.name} both bring /{place}",
                    "leave one of them out with 'without', or the path with 'drop'",
                )
            whole[place] = entry
            owner[place] = package
    return whole


def _placed(tree: Tree, places: Mapping[str, str], moves: Sequence[tuple[str, str]]) -> Tree:
    """Entries by their places. A link to a file of the package that is left out becomes that file; any other leads
    where it led before the moves."""
    placed: Tree = {}
    heir: dict[str, str] = {}  # path of content that is left out -> the place that has it now
    for path in sorted(places):
        entry = tree[path]
        if entry.kind == "symlink":
            file = _followed(tree, path)
            if file in tree and file not in places:
                entry = tree[file]  # locales share their files in this way
            elif moves:
                entry = _relinked(path, entry, places[path], moves)
        if entry.kind == "hardlink":
            holder = places.get(entry.target) or heir.get(entry.target)
            if holder is None:
                heir[entry.target] = places[path]
                entry = tree[entry.target]
            else:
                entry = replace(entry, target=holder)
        placed[places[path]] = entry
    return placed


def _relinked(path: str, entry: Entry, place: str, moves: Sequence[tuple[str, str]]) -> Entry:
    led = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), entry.target)).lstrip("/")
    leads = _moved(led, moves)
    if leads == led and place == path:
        return entry
    if entry.target.startswith("/"):
        return replace(entry, target=f"/{leads}")
    return replace(entry, target=posixpath.relpath(f"/{leads}", f"/{posixpath.dirname(place)}"))


def _followed(tree: Tree, path: str) -> str:
    """The path of the package's file that a symbolic link leads to, or "" where there is none."""
    for _ in range(8):  # so that links in a circle end
        entry = tree.get(path)
        if entry is None or entry.kind != "symlink":
            return path if entry is not None and entry.kind in ("file", "hardlink") else ""
        path = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), entry.target)).lstrip("/")
    return ""


def _alike(one: Entry, other: Entry) -> bool:
    if one.kind == other.kind == "dir":
        return True
    same = (one.kind, one.mode, one.uid, one.gid, one.target) == (
        other.kind,
        other.mode,
        other.uid,
        other.gid,
        other.target,
    )
    return same and one.size == other.size and one.read() == other.read()
