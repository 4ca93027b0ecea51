"""A tree of files as data: what a layer holds and what an image shows, without a file system under it.

Owners, modes and times are numbers here, so nobody needs to be root to make a layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

Kind = Literal["file", "dir", "symlink", "hardlink", "char", "block", "fifo"]


class Slice(Struct, frozen=True, gc=False):
    """`size` bytes at `offset` of a file on disk: how a layer names content that it need not copy."""

    file: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """The bytes themselves."""
        with self.file.open("rb") as handle:
            handle.seek(self.offset)
            return handle.read(self.size)


class Entry(Struct, frozen=True, gc=False):
    """One path. `mtime` is in seconds since 1970, `target` a link's; hard links name a path in the tree."""

    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    content: bytes | Slice = b""
    target: str = ""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of content."""
        return self.content.size if isinstance(self.content, Slice) else len(self.content)

    def read(self) -> bytes:
        """The content of a file."""
        return self.content.read() if isinstance(self.content, Slice) else self.content

    def pieces(self, size: int) -> Iterator[bytes]:
        """The content of a file in pieces of at most `size` bytes when it lies on disk, else in one."""
        if not isinstance(self.content, Slice):
            yield self.content
            return
        with self.content.file.open("rb") as handle:
            handle.seek(self.content.offset)
            left = self.content.size
            while left and (piece := handle.read(min(left, size))):
                left -= len(piece)
                yield piece


Tree = dict[str, Entry]
"""Path without a leading slash -> entry. Parents need not come first; writers sort."""
