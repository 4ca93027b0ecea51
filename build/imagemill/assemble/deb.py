"""Reading Debian packages without dpkg. Source of the format: deb(5), deb-control(5)."""

from __future__ import annotations

import io
import lzma
import mmap
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from imagemill.errors import AssembleError, LayoutError
from imagemill.filetree import Entry, Tree
from imagemill.tarwalk import walk

_CHUNK = 1 << 20
_REMEDY = "remove it from the cache and build again"


@dataclass(frozen=True)
class Package:
    """One unpacked package: its files, and the files of its control archive by name (`control`, `postinst` …)."""

    tree: Tree
    control: Mapping[str, bytes]

    @property
    def name(self) -> str:
        """The field Package."""
        return fields(self.control["control"])["Package"]

    @property
    def architecture(self) -> str:
        """The field Architecture: `amd64`, or `all`."""
        return fields(self.control["control"])["Architecture"]


def unpack_all(paths: Sequence[Path], scratch: Path) -> list[Package]:
    """Unpack several packages, all cores at once (decompressing lets go of the interpreter), in the order given."""
    scratch.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(lambda n: unpack(paths[n], scratch / f"{n}.tar"), range(len(paths))))


def unpack(path: Path, spool: Path) -> Package:
    """Unpack the .deb at `path`; its data goes, decompressed, to the file `spool`, which the tree points into.

    Paths are those of a merged /usr. Raises AssembleError for what is not a Debian package.
    """
    control: dict[str, bytes] = {}
    tree: Tree = {}
    try:
        with path.open("rb") as file:
            for name, size in _members(file, path):
                start = file.tell()
                if name.startswith("control.tar"):
                    control = _files(b"".join(_decompressed(file, size, name, path)))
                elif name.startswith("data.tar"):
                    with spool.open("wb") as out:
                        for piece in _decompressed(file, size, name, path):
                            out.write(piece)
                    tree = _tree(spool)
                file.seek(start + size + size % 2)
    except (LayoutError, lzma.LZMAError, zlib.error, tarfile.TarError, ValueError) as error:
        raise AssembleError(f"{path} is a damaged Debian package: {error}", _REMEDY) from None
    if "control" not in control:
        raise AssembleError(f"{path} has no control file", _REMEDY)
    return Package(tree, control)


def merged(path: str) -> str:
    """A path as it is where /bin, /sbin, /lib and /lib64 are links into /usr."""
    top, slash, _ = path.partition("/")
    return f"usr/{path}" if slash and top in ("bin", "sbin", "lib", "lib64") else path


def fields(stanza: bytes) -> dict[str, str]:
    """The fields of a control stanza; continuation lines keep their line breaks."""
    found: dict[str, str] = {}
    key = ""
    for line in stanza.decode("utf-8", "surrogateescape").splitlines():
        if line[:1] in (" ", "\t"):
            found[key] += "\n" + line
        elif line:
            key, _, value = line.partition(":")
            found[key] = value.strip()
    return found


def _members(file: BinaryIO, path: Path) -> Iterator[tuple[str, int]]:
    """Names and sizes of the ar archive's members, the file standing at each one's content."""
    if file.read(8) != b"!<arch>\n":
        raise AssembleError(f"{path} is not a Debian package", _REMEDY)
    while header := file.read(60):
        yield header[:16].decode().strip().rstrip("/"), int(header[48:58])


def _files(archive: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is not None:
                found[member.name.removeprefix("./")] = content.read()
    return found


def _tree(spool: Path) -> Tree:
    with spool.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        entries = {merged(path): entry for path, entry in walk(data, spool) if path}
    # the package's own directories bin, sbin, lib are what /usr has as links to in the image
    for top in ("bin", "sbin", "lib", "lib64"):
        if top in entries and entries[top].kind == "dir":
            del entries[top]
    return {path: _link(entry) if entry.kind == "hardlink" else entry for path, entry in entries.items()}


def _link(entry: Entry) -> Entry:
    return replace(entry, target=merged(entry.target), content=b"")


def _decompressed(file: BinaryIO, size: int, name: str, path: Path) -> Iterator[bytes]:
    kind = name.rpartition(".")[2]
    expand: Callable[[bytes], Iterator[bytes]]
    if kind == "tar":
        expand = _plain
    elif kind == "xz":
        expand = partial(_expanded, lzma.LZMADecompressor())
    elif kind == "gz":
        expand = partial(_inflated, zlib.decompressobj(zlib.MAX_WBITS | 16))
    else:
        raise AssembleError(
            f"{path}: {name} is compressed with {kind}, which is not read here", "packages with xz, gz or none are"
        )
    while size:
        piece = file.read(min(size, _CHUNK))
        if not piece:
            raise AssembleError(f"{path} ends early", _REMEDY)
        size -= len(piece)
        yield from expand(piece)


def _plain(piece: bytes) -> Iterator[bytes]:
    yield piece


def _expanded(stream: lzma.LZMADecompressor, piece: bytes) -> Iterator[bytes]:
    """What a piece means, bit by bit: of locales, one of 1 MiB may mean 100."""
    yield stream.decompress(piece, _CHUNK)
    while not (stream.needs_input or stream.eof):
        yield stream.decompress(b"", _CHUNK)


def _inflated(stream: zlib._Decompress, piece: bytes) -> Iterator[bytes]:
    while piece:
        yield stream.decompress(piece, _CHUNK)
        piece = stream.unconsumed_tail
