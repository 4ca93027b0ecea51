"""The versions of Debian packages in a lock, read without the rest of it: for who only compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec


class _Package(msgspec.Struct):
    version: str


class _Set(msgspec.Struct):
    debian: tuple[str, ...]


class _File(msgspec.Struct):
    """A lock file as `lock` writes it, as far as it is looked at."""

    debian: dict[str, dict[str, _Package]]
    sets: dict[str, dict[str, _Set]]


def versions(path: Path, sets: Iterable[str], arch: str) -> Mapping[str, str] | None:
    """Package -> version, of these sets on one architecture.

    None where there is no lock, where it lacks a set, or where it is damaged, which is for those to tell who build.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        names = {name for one in sets for name in file.sets[one][arch].debian}
        return {name: file.debian[arch][name].version for name in names}
    except (OSError, KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return None
