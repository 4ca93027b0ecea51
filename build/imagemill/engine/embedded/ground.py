"""The file system of a stage while it is built, and what the instruction at hand changes in it.

What counts as changed is what an overlay file system has in its upper directory: an entry that was written, and
every directory above it. That is how Docker and buildah find the content of a layer.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import replace

from imagemill.filetree import Entry, Tree
from imagemill.merged import MergedTree, Walked

_OPAQUE = ".wh..wh..opq"  # nothing of the layers below shows in this directory
_MAX_HOPS = 255  # links that continuity's RootPath, which BuildKit resolves paths with, follows


class Ground(MergedTree):
    """A merged tree that can be written to. `epoch` (seconds since 1970) is the time of what is made now."""

    def __init__(self, epoch: int, layers: Iterable[Walked] = ()) -> None:
        super().__init__()
        self._epoch = epoch
        self._changes: Tree = {}
        self._fresh: set[str] = set()  # made by this instruction where nothing was
        self._gone: set[str] = set()  # removed by it, and there before it
        for layer in layers:
            self.apply(layer)

    @classmethod
    def of(cls, tree: Tree, epoch: int) -> Ground:
        """The ground that holds `tree`, in which a name that begins like a whiteout is a name like any other."""
        ground = cls(epoch)
        for key in sorted(tree, key=lambda path: (tree[path].kind == "hardlink", path.split("/"))):
            ground._put(posixpath.dirname(key), posixpath.basename(key), tree[key])
        return ground

    def branch(self) -> Ground:
        """A copy that can be written to without changing this one."""
        other = Ground(self._epoch)
        other.entries = dict(self.entries)
        other._children = {key: set(children) for key, children in self._children.items()}
        return other

    def take(self) -> Tree:
        """What was changed since this was asked last. Entries that are one object are hard links of each other."""
        taken, self._changes = self._changes, {}
        for key in self._gone:
            entry = self.entries.get(key)
            if entry is not None and entry.kind == "dir":
                # as Docker writes it: the directory's owner and permissions, and no time
                taken[f"{key}/{_OPAQUE}"] = Entry("file", entry.mode & 0o777, entry.uid, entry.gid)
        self._fresh, self._gone = set(), set()
        holders: dict[int, str] = {}
        for key in sorted(taken, key=lambda path: path.split("/")):
            entry = taken[key]
            if entry.kind == "file":
                holder = holders.setdefault(id(entry), key)
                if holder != key:
                    taken[key] = replace(entry, kind="hardlink", target=holder, content=b"")
        return taken

    def kind(self, key: str) -> str:
        """The kind of what is at `key` itself, links not followed; empty when nothing is there."""
        return "dir" if not key or key in self._children else self.entries[key].kind if key in self.entries else ""

    def locate(self, path: str, root: str = "") -> str:
        """The key that `path` means below `root`, every link on the way and at its end followed.

        What does not exist stays as it is written. OSError for links that lead round in a circle.
        """
        top = root.split("/") if root else []
        here = list(top)
        steps = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        hops = 0
        while steps:
            part = steps.pop()
            if part == "..":
                del here[max(len(top), len(here) - 1) :]
                continue
            entry = self.entries.get("/".join((*here, part)))
            if entry is None or entry.kind != "symlink":
                here.append(part)
                continue
            hops += 1
            if hops > _MAX_HOPS:
                raise OSError(f"/{path}: too many links")
            if entry.target.startswith("/"):
                here = list(top)
            steps += [step for step in reversed(entry.target.split("/")) if step not in ("", ".")]
        return "/".join(here)

    def make_directories(self, key: str, owner: tuple[int, int] = (0, 0), mode: int = 0o755) -> None:
        """Make the directory `key` and those above it that are missing. OSError where something else is there."""
        path = ""
        for part in key.split("/") if key else ():
            path = posixpath.join(path, part)
            kind = self.kind(path)
            if kind not in ("dir", ""):
                raise OSError(f"/{path} is not a directory")
            if not kind:
                self.add(path, Entry("dir", mode, *owner, self._epoch))

    def add(self, key: str, entry: Entry) -> None:
        """Have `entry` at `key`, in an existing directory; what is there goes, but for a directory's children."""
        self._touch(posixpath.dirname(key))
        self._write(key, entry)

    def set(self, key: str, entry: Entry) -> None:
        """Change owner, mode or time of the directory `key`."""
        self._reach(posixpath.dirname(key))
        self._write(key, entry)

    def remove(self, key: str) -> None:
        """Remove what is at `key`, with all below it."""
        self._touch(posixpath.dirname(key))
        doomed = {key}
        if key in self._children:
            doomed |= {path for path in self._changes.keys() | self._gone if path.startswith(f"{key}/")}
        for path in doomed:
            self._changes.pop(path, None)
        self._gone -= doomed - {key}
        if key not in self._fresh:
            self._gone.add(key)
        self._fresh -= doomed
        self._remove(key)

    def link(self, key: str, holder: str, like: Entry) -> None:
        """Make `key` a hard link to `holder`, and give the file they are the owner, mode and time of `like`."""
        old = self.entries[holder]
        new = replace(old, uid=like.uid, gid=like.gid, mode=like.mode, mtime=like.mtime)
        if new == old:
            new = old
        else:
            for path in [path for path, entry in self.entries.items() if entry is old]:
                self.entries[path] = new
                if path in self._changes:
                    self._changes[path] = new
        self._reach(posixpath.dirname(holder))
        self._changes[holder] = new
        self.add(key, new)

    def _write(self, key: str, entry: Entry) -> None:
        if entry.kind == "symlink" and entry.mode != 0o777:
            entry = replace(entry, mode=0o777)  # Linux gives links no other mode
        if key not in self.entries and key not in self._gone:
            self._fresh.add(key)
        self._put(posixpath.dirname(key), posixpath.basename(key), entry)
        self._changes[key] = self.entries[key]

    def _reach(self, key: str) -> None:
        """Have a directory and those above it among the changes."""
        while key and key not in self._changes:
            self._changes[key] = self.entries[key]
            key = posixpath.dirname(key)

    def _touch(self, key: str) -> None:
        """A directory whose list of names changes has a new time."""
        self._reach(key)
        if key and self._changes[key].mtime != self._epoch:
            self._write(key, replace(self.entries[key], mtime=self._epoch))
