"""The headers of a tar, read where they lie: names, modes, owners, links, and where each file's bytes are.

Reads what engines write: ustar (docker, buildah), GNU (long names, base-256 numbers), and pax (`x` and `g`
records, extended attributes). Written for a mapped file, because a layer has tens of thousands of entries
and its content is left where it is. Source of the formats: POSIX.1-2017 `pax`; GNU tar manual, "Basic Tar
Format".
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from imagemill.errors import LayoutError
from imagemill.filetree import Entry, Kind, Slice

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_XATTR = "SCHILY.xattr."
# A pax header or a long name is a few hundred bytes; 1 MiB is what Go's reader takes too.
_MAX_EXTENSION = 1 << 20
# A page that was looked at stays mapped with its neighbours, and counts as memory of the process.
_MAPPED = 32 << 20
_KINDS: dict[int, Kind] = {
    ord("0"): "file",
    0: "file",
    ord("7"): "file",
    ord("1"): "hardlink",
    ord("2"): "symlink",
    ord("3"): "char",
    ord("4"): "block",
    ord("5"): "dir",
    ord("6"): "fifo",
}
_REMEDY = "the layer is damaged or not a tar: build or pull the image again"


def walk(data: mmap.mmap | bytes, file: Path) -> Iterator[tuple[str, Entry]]:
    """Every entry of the tar `data`, in its order: path without a leading slash ("" is the root) and entry.

    `file` is the file that `data` is the content of: entries point into it. Raises LayoutError where the tar
    is damaged, cut short, or names a path outside its root.
    """
    position, end = 0, len(data)
    behind = 0  # up to where pages were given back
    inherited: dict[str, bytes] = {}
    records: dict[str, bytes] = {}
    while position + _BLOCK <= end:
        if position - behind > _MAPPED and isinstance(data, mmap.mmap):
            now = position // mmap.PAGESIZE * mmap.PAGESIZE
            data.madvise(mmap.MADV_DONTNEED, behind, now - behind)
            behind = now
        block = data[position : position + _BLOCK]
        if block == _ZEROS:
            return
        try:
            # The magic tells a header from content well enough; without it only the checksum can, at 4 µs.
            if block[257:262] != b"ustar" and _number(block[148:156]) != sum(block) - sum(block[148:156]) + 256:
                raise ValueError("no header: neither its magic nor its checksum is there")
            size = _number(records["size"]) if "size" in records else _number(block[124:136])
            if size < 0:
                raise ValueError("negative size")
            flag = block[156]
            begin = position + _BLOCK
            if flag in b"xgLK":
                if size > _MAX_EXTENSION or begin + size > end:
                    raise ValueError(f"extended header of {size} bytes")
                body = data[begin : begin + size]
                if flag == ord("x"):
                    records.update(_pax(body))
                elif flag == ord("g"):
                    inherited.update(_pax(body))
                else:
                    records["path" if flag == ord("L") else "linkpath"] = body.partition(b"\0")[0]
                position = begin + -(-size // _BLOCK) * _BLOCK
                continue
            name, entry = _entry(
                block, flag, Slice(file, begin, size), {**inherited, **records} if inherited else records
            )
        except ValueError as error:
            raise LayoutError(f"{file}: tar entry at byte {position}: {error}", _REMEDY) from None
        records = {}
        # Only files have content; a size at a link or a directory says nothing about what follows.
        position = begin + (-(-size // _BLOCK) * _BLOCK if entry.kind == "file" else 0)
        if position > end:
            raise LayoutError(f"{file}: ends inside {name!r}", _REMEDY)
        yield name, entry
    if position != end or not end:
        raise LayoutError(f"{file}: ends inside a tar header at byte {position}", _REMEDY)


def _entry(block: bytes, flag: int, content: Slice, records: Mapping[str, bytes]) -> tuple[str, Entry]:
    kind = _KINDS.get(flag)
    if kind is None or (records and any(key.startswith("GNU.sparse.") for key in records)):
        raise ValueError(f"entry of type {chr(flag)!r} (sparse or vendor-specific) is not read")
    raw = records.get("path") or block[:100].partition(b"\0")[0]
    if "path" not in records and block[257:263] == b"ustar\0" and block[345]:
        raw = block[345:500].partition(b"\0")[0] + b"/" + raw
    if kind == "file" and raw.endswith(b"/"):
        kind = "dir"  # how tars older than POSIX spell directories
    target = ""
    if kind in ("symlink", "hardlink"):
        target = _text(records.get("linkpath") or block[157:257].partition(b"\0")[0])
        if kind == "hardlink":
            target = normal(target)
    xattrs = (
        {key.removeprefix(_XATTR): value for key, value in records.items() if key.startswith(_XATTR)} if records else {}
    )
    return normal(_text(raw)), Entry(
        kind=kind,
        mode=_number(block[100:108]) & 0o7777,
        uid=_number(records["uid"]) if "uid" in records else _number(block[108:116]),
        gid=_number(records["gid"]) if "gid" in records else _number(block[116:124]),
        mtime=int(float(records["mtime"])) if "mtime" in records else _number(block[136:148]),
        content=content if kind == "file" else b"",
        target=target,
        xattrs=xattrs,
    )


def normal(name: str) -> str:
    """A path of a tar as a key: no leading "./" or "/", no trailing "/". ValueError when it climbs out."""
    if "./" not in name and "//" not in name and not name.endswith((".", "/")):
        return name.removeprefix("/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"path {name!r} leaves the image")
    return "/".join(parts)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


@lru_cache(maxsize=4096)  # most entries of a layer share owner, mode and time
def _number(field: bytes) -> int:
    """A number in a header: octal text, GNU's base-256, or a pax record's decimal."""
    if len(field) in (8, 12):
        if field[0] & 0x80:
            value = int.from_bytes(field, "big") & ~(0x80 << 8 * (len(field) - 1))
            return value - (1 << 8 * len(field) - 1) if field[0] & 0x40 else value
        return int(field.partition(b"\0")[0].strip() or b"0", 8)
    return int(field)


def _pax(body: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    while body:
        length, space, _ = body.partition(b" ")
        if not space or not length.isdigit() or not len(length) + 3 <= int(length) <= len(body):
            raise ValueError("damaged pax record")
        key, _, value = body[len(length) + 1 : int(length) - 1].partition(b"=")
        found[_text(key)] = value
        body = body[int(length) :]
    return found
