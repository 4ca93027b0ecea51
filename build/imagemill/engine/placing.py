"""A tree put into a directory, for engines that read their context from disk."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path

from imagemill.errors import EngineError
from imagemill.filetree import Entry

_PIECE = 1 << 20


def place(tree: Mapping[str, Entry], folder: Path) -> None:
    """Write the files, directories and links of `tree` below `folder`, with modes and times; owners are ours.

    EngineError for a device or a pipe.
    """
    for name in sorted(tree, key=lambda name: (tree[name].kind == "hardlink", name.split("/"))):
        (folder / posixpath.dirname(name)).mkdir(parents=True, exist_ok=True)
        _place(tree[name], folder / name, folder)
    for name in sorted(tree, reverse=True):
        if tree[name].kind == "dir":  # what was put into it changed its time
            (folder / name).chmod(tree[name].mode)
            os.utime(folder / name, (tree[name].mtime,) * 2)


def _place(entry: Entry, path: Path, folder: Path) -> None:
    if entry.kind == "dir":
        path.mkdir(exist_ok=True)
    elif entry.kind == "hardlink":
        os.link(folder / entry.target, path)
    elif entry.kind == "symlink":
        path.symlink_to(entry.target)
        os.utime(path, (entry.mtime,) * 2, follow_symlinks=False)
    elif entry.kind == "file":
        with path.open("wb") as file:
            file.writelines(entry.pieces(_PIECE))
        path.chmod(entry.mode)
        os.utime(path, (entry.mtime,) * 2)
    else:
        raise EngineError(f"{path.name}: a {entry.kind} cannot be in a context", "leave it out")
