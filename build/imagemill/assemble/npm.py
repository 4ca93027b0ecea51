"""Unpacking npm packages. Source of the format: npm's package.json documentation."""

from __future__ import annotations

import json
import mmap
import posixpath
import zlib
from pathlib import Path

from imagemill.errors import AssembleError, LayoutError
from imagemill.filetree import Entry, Tree
from imagemill.lock import NpmPackage
from imagemill.manifest import NpmSet
from imagemill.tarwalk import walk

_CHUNK = 1 << 18


def unpack(path: Path, package: NpmPackage, spec: NpmSet, spool: Path) -> Tree:
    """The files of one package at its place below `spec.into`, with links to its commands in `spec.scripts`.

    The package goes, decompressed, to the file `spool`, which the tree points into. Raises AssembleError for a
    damaged package.
    """
    try:
        _decompress(path, spool)
        with spool.open("rb") as plain, mmap.mmap(plain.fileno(), 0, access=mmap.ACCESS_READ) as data:
            files = dict(walk(data, spool))
    except (zlib.error, LayoutError) as error:
        raise AssembleError(
            f"{package.name} {package.version} is a damaged npm package: {error}",
            "remove it from the cache and build again",
        ) from None
    into = spec.into.strip("/")
    top = into if spec.layout == "unpack" else f"{into}/{package.place.removeprefix('node_modules/')}"
    tree: Tree = {}
    commands: dict[str, str] = {}
    for name, entry in files.items():
        inside = name.partition("/")[2]  # npm strips the first directory, whatever its name
        if not inside or entry.kind != "file" or not _kept(inside, spec):  # npm makes no links either
            continue
        mode = 0o755 if entry.mode & 0o111 else 0o644
        tree[f"{top}/{inside}"] = Entry("file", mode, mtime=entry.mtime, content=entry.content)
        if inside == "package.json":
            commands = _commands(entry.read(), package)
    if spec.layout == "modules":
        _link(tree, commands, top, package, spec)
    return tree


def _decompress(path: Path, spool: Path) -> None:
    """Piece by piece: an interpreter that comes as a package has 130 MB."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    with path.open("rb") as packed, spool.open("wb") as plain:
        while chunk := packed.read(_CHUNK):
            plain.write(stream.decompress(chunk))
    if not stream.eof or not spool.stat().st_size:
        raise zlib.error("incomplete or empty")


def _kept(inside: str, spec: NpmSet) -> bool:
    return not spec.only or any(inside == one or inside.startswith(one + "/") for one in spec.only)


def _commands(text: bytes, package: NpmPackage) -> dict[str, str]:
    try:
        declared = json.loads(text).get("bin") or {}
    except ValueError as error:
        raise AssembleError(f"{package.name} {package.version}: package.json: {error}") from None
    if isinstance(declared, str):
        return {package.name.rpartition("/")[2]: declared}
    return {name.rpartition("/")[2]: target for name, target in declared.items() if isinstance(target, str)}


def _link(tree: Tree, commands: dict[str, str], top: str, package: NpmPackage, spec: NpmSet) -> None:
    for command, target in commands.items():
        file = f"{top}/{target.removeprefix('./')}"
        if file not in tree:
            continue
        entry = tree[file]
        tree[file] = Entry("file", 0o755, 0, 0, entry.mtime, entry.content)
        if spec.scripts and package.place.count("node_modules/") == 1 and package.name in _wanted(spec):
            scripts = spec.scripts.strip("/")
            way = posixpath.relpath(file, scripts)
            tree[f"{scripts}/{command}"] = Entry("symlink", 0o777, mtime=entry.mtime, target=way)


def _wanted(spec: NpmSet) -> set[str]:
    return {name.rpartition("@")[0] or name for name in spec.packages}
