"""The file system of a stage while it is built, and what the instruction at hand changes in it."""

from __future__ import annotations

import posixpath

from msgspec.structs import replace

from imagemill.engine.difference import difference
from imagemill.filetree import Entry, Tree
from imagemill.merged import MergedTree, Walked

_MAX_HOPS = 255  # links that continuity's RootPath, which BuildKit resolves paths with, follows


class Ground(MergedTree):
    """A merged tree that can be written to. `epoch` (seconds since 1970) is the time of what is made now."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self._epoch = epoch
        self._before: Tree = {}

    @classmethod
    def of(cls, tree: Tree, epoch: int) -> Ground:
        """The ground that holds `tree`, in which a name that begins like a whiteout is a name like any other."""
        ground = cls(epoch)
        for key in sorted(tree, key=lambda path: (tree[path].kind == "hardlink", path.split("/"))):
            ground._put(posixpath.dirname(key), key, tree[key])
        return ground

    def branch(self) -> Ground:
        """A copy that can be written to without changing this one."""
        other = Ground(self._epoch)
        other.entries, other._before = dict(self.entries), dict(self.entries)
        other._children = {key: set(children) for key, children in self._children.items()}
        return other

    def apply(self, layer: Walked) -> None:
        """Lay a layer on top that is made already: none of it counts as a change."""
        super().apply(layer)
        self._before = dict(self.entries)

    def take(self) -> Tree:
        """The layer of what was changed since this was asked last."""
        changed = difference(self._before, self.entries, self._epoch)
        self._before = dict(self.entries)
        return changed

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
        if entry.kind == "symlink" and entry.mode != 0o777:
            entry = replace(entry, mode=0o777)  # Linux gives links no other mode
        self._touch(posixpath.dirname(key))
        self._put(posixpath.dirname(key), key, entry)

    def set(self, key: str, entry: Entry) -> None:
        """Change owner, mode or time of the directory `key`."""
        self.entries[key] = entry

    def remove(self, key: str) -> None:
        """Remove what is at `key`, with all below it."""
        self._touch(posixpath.dirname(key))
        self._remove(key)

    def link(self, key: str, holder: str, like: Entry) -> None:
        """Make `key` a hard link to `holder`, and give the file they are the owner, mode and time of `like`."""
        old = self.entries[holder]
        new = replace(old, uid=like.uid, gid=like.gid, mode=like.mode, mtime=like.mtime)
        if new != old:
            for path in [path for path, entry in self.entries.items() if entry is old]:
                # a file of the layers below is copied to be changed, and parts from its other names
                if path == holder or self._before.get(path) is not old:
                    self.entries[path] = new
        self.add(key, self.entries[holder])

    def _touch(self, key: str) -> None:
        """A directory whose list of names changes has a new time."""
        if key and self.entries[key].mtime != self._epoch:
            self.entries[key] = replace(self.entries[key], mtime=self._epoch)
