"""The files that a checkout's plan comes from, each by its hash: all of them are read only when one has changed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from imagemill.whole import replace_file

_FOLDERS = ("runtimes", "templates", "build")
_SETTLED = 2_000_000_000
"""Nanoseconds after which no file system gives a change the time of the one before."""


class Origin(NamedTuple):
    """The SHA-256 of each runtime's manifest, by its file's name, and of everything else as one: `common`."""

    manifests: Mapping[str, str]
    common: str


class _File(NamedTuple):
    name: str  # below the checkout
    path: str
    stat: os.stat_result

    @property
    def executable(self) -> bool:
        return bool(self.stat.st_mode & 0o100)

    @property
    def stamp(self) -> tuple[str | int, ...]:
        """Another one after every change: nobody can set the ctime."""
        stat = self.stat
        return self.name, stat.st_ino, stat.st_ctime_ns, stat.st_mtime_ns, stat.st_size, stat.st_mode


def current(root: Path, state: Path) -> Origin:
    """The files below `root` as they are now. Those that are as they were when they were last read are not read."""
    files = sorted(
        (found for folder in _FOLDERS for found in _files(f"{root}/{folder}", folder)), key=lambda file: file.name
    )
    stamp = hashlib.sha256(repr([file.stamp for file in files]).encode()).hexdigest()
    kept = state / "plans" / "origin"
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads(kept.read_bytes())
        if record["stamp"] == stamp:
            return Origin(**record["origin"])
    now = time.time_ns()
    origin = _read(files)
    if all(file.stat.st_ctime_ns < now - _SETTLED for file in files):
        with suppress(OSError):  # a full disk, or one that is not to be written to: they are read the next time too
            replace_file(kept, json.dumps({"stamp": stamp, "origin": origin._asdict()}).encode())
    return origin


def _read(files: Collection[_File]) -> Origin:
    manifests: dict[str, str] = {}
    common = hashlib.sha256()
    for file in files:
        data = content(file.path)
        folder, _, name = file.name.rpartition("/")
        if folder == "runtimes":
            manifests[name] = hashlib.sha256(data).hexdigest()
        else:
            common.update(f"{file.name}\0{file.executable}\0{len(data)}\0".encode())
            common.update(data)
    return Origin(manifests, common.hexdigest())


def _files(folder: str, name: str) -> Iterator[_File]:
    """Files below a folder that can matter."""
    for found, entry in walk(folder, f"{name}/", without=("__pycache__", "testdata")):
        if not found.endswith(("_test.go", ".pyc")):
            yield _File(found, entry.path, entry.stat())


def walk(folder: str | Path, prefix: str, without: Collection[str] = ()) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All files below a folder with their paths below it; pathlib takes as long for it as all the reading."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield prefix + entry.name, entry
            elif entry.name not in without:
                yield from walk(entry.path, f"{prefix}{entry.name}/", without)


def content(path: str) -> bytes:
    """What is in a file."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - pathlib takes twice as long
        return file.read()
