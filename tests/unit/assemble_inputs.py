"""Tiny packages for tests, made in Python: no dpkg, no pip, no npm."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from imagemill.filetree import Entry, Tree
from imagemill.manifest import Base, Layer, NpmSet, PypiSet, User, Variant

MTIME = 1_700_000_000
CONTROL = "Package: {name}\nVersion: 1.0\nArchitecture: {arch}\nMaintainer: A <a@example.com>\nDescription: a tool\n"


def file(content: bytes = b"x", mode: int = 0o644) -> Entry:
    return Entry("file", mode, mtime=MTIME, content=content)


def link(target: str) -> Entry:
    return Entry("symlink", 0o777, mtime=MTIME, target=target)


def folder(mode: int = 0o755) -> Entry:
    return Entry("dir", mode, mtime=MTIME)


def tar(entries: Mapping[str, Entry], prefix: str = "./") -> bytes:
    """A plain tar of these entries, written by the standard library."""
    types = {"file": b"0", "hardlink": b"1", "symlink": b"2", "dir": b"5"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, entry in entries.items():
            info = tarfile.TarInfo(prefix + path)
            info.type, info.mode, info.mtime = types[entry.kind], entry.mode, entry.mtime
            info.uid, info.gid, info.size = entry.uid, entry.gid, entry.size
            info.linkname = prefix + entry.target if entry.kind == "hardlink" else entry.target
            archive.addfile(info, io.BytesIO(entry.read()))
    return out.getvalue()


def ar(members: Mapping[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, data in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


def deb(
    path: Path,
    name: str,
    entries: Tree,
    *,
    arch: str = "amd64",
    fields: str = "",
    control: Mapping[str, bytes] | None = None,
    compression: str = "xz",
) -> Path:
    """Write a .deb of `entries`."""
    stanza = (CONTROL.format(name=name, arch=arch) + fields).encode()
    scripts = {key: file(value) for key, value in {"control": stanza, **(control or {})}.items()}
    packers: dict[str, Callable[[bytes], bytes]] = {"xz": lzma.compress, "gz": gzip.compress, "zst": bytes}
    pack = packers[compression]
    members = {
        "debian-binary": b"2.0\n",
        f"control.tar.{compression}": pack(tar(scripts)),
        f"data.tar.{compression}": pack(tar(entries)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ar(members))
    return path


def wheel(path: Path, members: Mapping[str, bytes], *, name: str = "tool", executable: str = "") -> Path:
    """Write a wheel; `members` by path, beside the .dist-info that every wheel has."""
    info = f"{name}-1.0.dist-info"
    whole = {f"{info}/WHEEL": b"Wheel-Version: 1.0\n", f"{info}/METADATA": b"Name: tool\n", **members}
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in {**whole, f"{info}/RECORD": b"stale"}.items():
            entry = zipfile.ZipInfo(member, (2023, 1, 2, 3, 4, 6))
            entry.external_attr = (0o100755 if member == executable else 0o100644) << 16
            archive.writestr(entry, content)
    return path


def base(drop: tuple[str, ...] = ("/usr/share/man/*", "/usr/share/doc/*"), system: Layer | None = None) -> Base:
    nothing = Variant(env={}, entrypoint=())
    return Base(
        name="debian-test",
        kind="debian",
        suite="test",
        pockets=(),
        platforms=("linux/amd64",),
        users=(User("sbx_user1051", 993, 990, "/home/sbx_user1051", "/usr/sbin/nologin"),),
        drop=drop,
        system=system or Layer(),
        toolchain=Layer(),
        run=nothing,
        build=nothing,
        serve=nothing,
        tools=(),
        build_tools=(),
    )


def pypi(
    into: str = "/var/lang/lib/python3.13/site-packages", scripts: str | None = None, only: tuple[str, ...] = ()
) -> PypiSet:
    return PypiSet(
        into=into,
        requirements=("tool",),
        python="3.13",
        interpreter="/var/lang/bin/python3.13",
        scripts=scripts,
        only_scripts=only,
    )


def npm(into: str = "/var/lang/lib/node_modules", **rest: object) -> NpmSet:
    return NpmSet(into=into, packages=("tool@1",), **rest)  # type: ignore[arg-type]
