"""COPY and ADD: which files they mean, and where each of them goes.

The rules are those of BuildKit's copy (tonistiigi/fsutil): a source that is a directory gives its contents; links
that a source or the target leads through are followed, those inside a copied directory are copied; directories
that exist keep their owner and mode at the top and take the source's below it; nothing that is no directory takes
a directory's place, nor the other way round.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from imagemill.engine.embedded.globs import is_glob, matches
from imagemill.engine.embedded.ground import Ground
from imagemill.filetree import Entry
from imagemill.merged import Walked

Owner = tuple[int, int]
Unpack = Callable[[Entry], "Walked | None"]


@dataclass(frozen=True)
class Copy:
    """One COPY or ADD into `ground`. Without an owner files keep theirs; `mode` replaces the permission bits.

    `unpack` gives the entries of a file that is a tar; COPY has none. Its methods raise OSError for what the rules
    forbid, and ValueError for a malformed pattern.
    """

    source: Ground
    ground: Ground
    owner: Owner | None = None
    mode: int | None = None
    unpack: Unpack | None = None

    def run(self, patterns: list[str], target: str) -> None:
        """Copy every source to `target`, an absolute path that ends with a slash where it names a directory."""
        for pattern in patterns:
            for path in self._found(posixpath.normpath(f"/{pattern}")):
                key = self.source.locate(path)
                entry = self.source.entries.get(key)
                entries = self.unpack(entry) if self.unpack and entry is not None and entry.kind == "file" else None
                if entries is None:
                    self._copy(path, key, target)
                else:
                    self._extract(entries, target)

    def _found(self, pattern: str) -> Iterator[str]:
        """The paths that a pattern means, links at their end not followed."""
        parts = pattern.lstrip("/").split("/")
        fixed = next((number for number, part in enumerate(parts) if is_glob(part)), len(parts))
        if fixed == len(parts):
            yield pattern
            return
        matches("/".join(parts[fixed:]), "")  # a malformed pattern is an error even where it meets nothing
        root = self.source.locate("/".join(parts[:fixed]))
        if not self.source.kind(root):
            raise OSError(f"{pattern} is not in what it copies from")
        yield from list(self._walk(root, "", "/".join(parts[fixed:])))

    def _walk(self, root: str, below: str, pattern: str) -> Iterator[str]:
        for key in self.source.children(posixpath.join(root, below) if below else root):
            path = posixpath.join(below, posixpath.basename(key))
            if matches(pattern, path):
                yield key
            elif self.source.kind(key) == "dir":
                yield from self._walk(root, path, pattern)

    def _copy(self, path: str, key: str, target: str) -> None:
        kind = self.source.kind(key)
        if not kind:
            raise OSError(f"{path.lstrip('/')!r} is not in what it copies from")
        above = target if target.endswith("/") else posixpath.dirname(target)
        self._make(self.ground.locate(above))
        goal = self.ground.locate(target)
        there = self.ground.kind(goal)
        if kind != "dir" and there == "dir":
            goal = posixpath.join(goal, posixpath.basename(path))
        self._make(goal if kind == "dir" and not there else posixpath.dirname(goal))
        _Transfer(self).put(key, goal, top=True)

    def _make(self, key: str) -> None:
        self.ground.make_directories(key, self.owner or (0, 0))

    def _extract(self, entries: Walked, target: str) -> None:
        """Unpack a tar; its owners and modes stay, and a later entry replaces what is in its way."""
        root = self.ground.locate(target)
        self._make(root)
        times: dict[str, Entry] = {}
        for path, entry in entries:
            if not path:
                continue
            parent = self.ground.locate(posixpath.dirname(path), root)
            self.ground.make_directories(parent)
            key = posixpath.join(parent, posixpath.basename(path))
            there = self.ground.kind(key)
            if there == "dir" and entry.kind == "dir":
                self.ground.set(key, entry)
                times[key] = entry
                continue
            if there:
                self.ground.remove(key)
            if entry.kind == "hardlink":
                above, name = posixpath.split(entry.target)
                holder = posixpath.join(self.ground.locate(above, root), name)
                if self.ground.kind(holder) in ("", "dir"):
                    raise OSError(f"hard link {path} leads to {entry.target}, which is no file")
                self.ground.link(key, holder, entry)
                continue
            self.ground.add(key, replace(entry))
            if entry.kind == "dir":
                times[key] = entry
        for key, entry in times.items():  # filling a directory changed its time
            if self.ground.kind(key) == "dir":
                self.ground.set(key, entry)


@dataclass(frozen=True)
class _Transfer:
    """One source on its way; hard links within it stay hard links."""

    copy: Copy
    first: dict[int, str] = field(default_factory=dict)

    def put(self, key: str, goal: str, *, top: bool) -> None:
        source, ground = self.copy.source, self.copy.ground
        kind, there = source.kind(key), ground.kind(goal)
        if kind != "dir":
            if there == "dir":
                raise OSError(f"/{goal} is a directory, and {key!r} is none")
            if there:
                ground.remove(goal)
            self._put_file(source.entries[key], goal)
            return
        if there not in ("dir", ""):
            raise OSError(f"/{goal} is not a directory, and {key or '/'!r} is one")
        fresh = not there
        if fresh:
            ground.add(goal, self._settled(source.entries[key]))
        for child in source.children(key):
            self.put(child, posixpath.join(goal, posixpath.basename(child)), top=False)
        if key and goal and (fresh or not top):
            ground.set(goal, self._settled(source.entries[key]))

    def _put_file(self, entry: Entry, goal: str) -> None:
        ground = self.copy.ground
        if entry.kind == "fifo":
            raise OSError(f"/{goal}: named pipes are not copied")
        holder = self.first.get(id(entry))
        if entry.kind == "file" and holder is not None and ground.kind(holder) == "file":
            ground.add(goal, ground.entries[holder])
            return
        self.first[id(entry)] = goal
        ground.add(goal, self._settled(entry))

    def _settled(self, entry: Entry) -> Entry:
        uid, gid = self.copy.owner or (entry.uid, entry.gid)
        mode = entry.mode
        if self.copy.mode is not None and entry.kind != "symlink":
            mode = entry.mode & ~0o777 | self.copy.mode & 0o777
        return replace(entry, uid=uid, gid=gid, mode=mode)
