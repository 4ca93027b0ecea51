"""Files of a context on disk, for engines that read it there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imagemill.filetree import Entry


def place(files: Mapping[str, Entry], folder: Path) -> None:
    """Write files, directories and links below `folder`, with their modes. Owners are the user's."""
    for name, entry in sorted(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind == "symlink":
            path.symlink_to(entry.target)
            continue
        if entry.kind == "dir":
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(entry.read())
        path.chmod(entry.mode)
