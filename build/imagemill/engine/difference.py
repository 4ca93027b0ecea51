"""A layer as the difference between two trees of files, which is the same whatever made it.

How an engine finds what an instruction changed depends on where it keeps files: overlay file systems have all that was
written, be it what was there before; others compare, and leave that out. So what is written here says nothing again:
a file that is what it was is no change, and neither is a directory of which only the time is new.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from imagemill.filetree import Entry, Slice, Tree

_WHITEOUT = ".wh."
_PIECE = 1 << 20


def difference(before: Mapping[str, Entry], after: Mapping[str, Entry], epoch: int, also: Iterable[str] = ()) -> Tree:
    """The layer that turns `before` into `after`, with the directories that lead to what it changes.

    Names of one file (hard links) are one object in `after`. `epoch` is the time of whiteouts, in seconds since 1970;
    `also` names paths that are in the layer whether they changed or not.
    """
    layer = {path: after[path] for path in also if path in after}
    for path, entry in after.items():
        old = before.get(path)
        if entry is not old and (old is None or not _same(old, entry)):
            layer[path] = entry
    for path in before.keys() - after.keys():
        folder, name = posixpath.split(path)
        if not folder or (folder in after and after[folder].kind == "dir"):
            layer[posixpath.join(folder, _WHITEOUT + name)] = Entry("file", mtime=epoch)
    for path in list(layer):
        while (path := posixpath.dirname(path)) and path not in layer:
            layer[path] = after[path]
    return _linked(layer)


def _same(old: Entry, new: Entry) -> bool:
    """Whether nothing is new; of a directory, the time does not count."""
    mtime = new.mtime if new.kind == "dir" else old.mtime
    if replace(old, content=b"", mtime=mtime) != replace(new, content=b"") or old.size != new.size:
        return False
    if not (isinstance(old.content, Slice) and isinstance(new.content, Slice)):
        return old.read() == new.read()
    return old.content == new.content or all(
        one == two for one, two in zip(old.pieces(_PIECE), new.pieces(_PIECE), strict=True)
    )


def _linked(layer: Tree) -> Tree:
    """The same layer, in which the first name of a file has it, and the others are hard links to that."""
    first: dict[int, str] = {}
    linked: Tree = {}
    for path in sorted(layer, key=lambda path: path.split("/")):  # the order that they are written in
        entry = layer[path]
        holder = first.setdefault(id(entry), path) if entry.kind == "file" else path
        linked[path] = entry if holder == path else replace(entry, kind="hardlink", target=holder, content=b"")
    return linked
