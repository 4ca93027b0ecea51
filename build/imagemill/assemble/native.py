"""Programs of locked packages that run on this machine though they are not installed: compilers."""

from __future__ import annotations

import fcntl
import hashlib
import os
import posixpath
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from imagemill.assemble import deb
from imagemill.lock import DebianPackage
from imagemill.platforms import native as native_platform

LIBRARIES = r"usr/lib/[^/]+-linux-gnu/[^/]*\.so[^/]*|usr/lib64/.*"
"""Where the libraries are that any program needs, as a regular expression."""

REMEDY = "on a file system mounted noexec it cannot run: build in another directory"


def unpacked(
    packages: Sequence[DebianPackage], path_of: Callable[[DebianPackage], Path], cache: Path, needed: re.Pattern[str]
) -> Path:
    """The files of the packages whose paths match `needed`, below one directory in `cache`; made once."""
    root = cache / f"root-{hashed([needed.pattern, *(package.sha256 for package in packages)])[:16]}"
    if root.exists():
        return root
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        staging = Path(folder, "root")
        staging.mkdir()
        opened = deb.unpack_all([path_of(package) for package in packages], Path(folder, "spool"))
        for path, entry in (pair for package in opened for pair in package.tree.items()):
            if needed.fullmatch(path) and entry.kind in ("file", "symlink"):
                place = staging / path
                place.parent.mkdir(parents=True, exist_ok=True)
                if entry.kind == "file":
                    place.write_bytes(entry.read())
                    place.chmod(0o755 if entry.mode & 0o111 else 0o644)
                else:
                    place.symlink_to(_within(path, entry.target))
        staging.rename(root)
    return root


def command(root: Path, program: Path, *libraries: Path) -> list[str]:
    """What runs a program with the loader and the libraries below `root`, and with those of `libraries`."""
    platform = native_platform()
    places = [root / "usr" / "lib" / platform.multiarch, root / "usr" / "lib64"]
    loader = next((path / Path(platform.loader).name for path in places if path.exists()), places[0])
    return [str(loader), "--library-path", ":".join(map(str, (*places, *libraries))), str(program)]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes that lock the same file waiting."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def hashed(words: Iterable[str]) -> str:
    """The hash of words in whatever order."""
    return hashlib.sha256("\n".join(sorted(words)).encode()).hexdigest()


def _within(path: str, target: str) -> str:
    """The target of a link at `path` such that it stays below the root."""
    if not target.startswith("/"):
        return target
    return os.path.relpath(target, posixpath.join("/", posixpath.dirname(path)))
