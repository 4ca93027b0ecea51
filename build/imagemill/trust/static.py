"""Trust metadata as plain files, for any HTTPS file server: no notary server is needed.

Below the folder that is served: `v2/index.html`, which clients ask for first and need an answer 200 to, and
`v2/GUN/_trust/tuf/` with `ROLE.json`, `ROLE.SHA256.json` and `VERSION.root.json`. Files with a digest or version in
their names are there before the ones that lead to them, and stay, so that readers always find a whole state; who
copies the folder elsewhere does well to copy `timestamp.json` last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from imagemill.errors import TrustError
from imagemill.occupancy import occupied
from imagemill.trust.metadata import LONGEST, ROOT, TIMESTAMP, Described, PublicKey, Root, parse

_PENDING = ".pending"  # a whole change that is being made: who finds it finishes it
_LAST = [f"{ROOT}.json", f"{TIMESTAMP}.json"]


class Static:
    """The metadata of one GUN below a folder."""

    managed: frozenset[str] = frozenset()

    def __init__(self, folder: Path, gun: str, say: Callable[[str], None]) -> None:
        self._top = folder
        self.gun = gun
        self._say = say
        self._place = folder / "v2" / gun / "_trust" / "tuf"
        if not gun or ".." in gun.split("/") or gun.startswith("/"):
            raise TrustError(
                f"{gun!r} is no name of a repository", "write it as docker does: registry.example.com/name"
            )

    def read(self, name: str) -> bytes | None:
        """A file by its name without `.json`; None where there is none."""
        try:
            with (self._place / f"{name}.json").open("rb") as file:
                data = file.read(LONGEST + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise TrustError(f"{self._place}/{name}.json: {error.strerror}", "see who may read it") from None
        if len(data) > LONGEST:
            raise TrustError(f"{self._place}/{name}.json is longer than any metadata", "see what was put there")
        return data

    def key(self, role: str, *, new: bool = False) -> PublicKey:
        """Files sign nothing."""
        raise TrustError(f"files hold no {role} key", "make one with `imagemill trust init`")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one of this machine who writes; a change that was broken off is finished first."""
        try:
            with occupied(self._place, self._say):
                if (self._place / _PENDING).is_dir():
                    self._finish()
                yield
        except OSError as error:
            raise TrustError(f"{error.filename or self._place}: {error.strerror}", "see who may write there") from None

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace files by their roles. All of them are on disk before the first is replaced. Inside `alone` only."""
        scratch = self._place / f"{_PENDING}.new"
        shutil.rmtree(scratch, ignore_errors=True)
        for role, data in files.items():
            first, *others = (scratch / name for name in _names(role, data))
            first.parent.mkdir(parents=True, exist_ok=True)
            _write(first, data)
            for name in others:
                name.hardlink_to(first)
        _sync(scratch)
        scratch.rename(self._place / _PENDING)
        _sync(self._place)
        self._finish()

    def _finish(self) -> None:
        """Put the files of a change in their places, those that lead to others last."""
        index = self._top / "v2" / "index.html"
        if not index.exists():
            index.write_bytes(b"{}\n")
        pending = self._place / _PENDING
        names = [str(path.relative_to(pending)) for path in pending.rglob("*.json")]
        for name in sorted(names, key=lambda name: _LAST.index(name) if name in _LAST else -1):
            target = self._place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (pending / name).replace(target)
        shutil.rmtree(pending)


def _names(role: str, data: bytes) -> list[str]:
    """The names below which a file is found, by its role."""
    if role == TIMESTAMP:
        return [f"{role}.json"]
    names = [f"{role}.{Described.of(data).hex}.json", f"{role}.json"]
    return [f"{parse(data, Root, role)[0].version}.{ROOT}.json", *names] if role == ROOT else names


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Have renames in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
