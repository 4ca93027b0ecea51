"""The content-addressed cache of downloads: a file appears in it whole and verified, or not at all."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imagemill.errors import IntegrityError
from imagemill.lock import BaseImage, Item, NpmPackage


class Cache:
    """Files by their SHA-256 (or, for npm's SHA-512, by that) below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Where the file with this hexadecimal digest lies, or would lie."""
        return self.root / digest[:2] / digest

    def item(self, item: Item) -> Path:
        """Where an input lies, or would lie."""
        return self.path(expected(item)[1])

    def keep(self, chunks: Iterable[bytes], algorithm: str, digest: str, what: str, size: int | None = None) -> Path:
        """Write what `chunks` give, if it is what it should be.

        Raises IntegrityError otherwise, and the cache is as before. Concurrent writers do not disturb each other.
        """
        with self._staged(digest) as staging:
            found, count = _written(chunks, staging, algorithm, size)
            if found != digest or (size is not None and size != count):
                raise IntegrityError(
                    f"{what}: expected {algorithm} {digest}, found {found} ({count} bytes)",
                    "the mirror serves other bytes than the lock names; use another mirror, or look why",
                )
            staging.replace(self.path(digest))
        return self.path(digest)

    def take(self, chunks: Iterable[bytes]) -> Path:
        """Write what `chunks` give, whatever it is. Returns its path, whose name is its SHA-256."""
        with self._staged("00") as staging:
            digest, _ = _written(chunks, staging, "sha256", None)
            path = self.path(digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            staging.replace(path)
        return path

    @contextmanager
    def _staged(self, digest: str) -> Iterator[Path]:
        """A place to write to, of this writer alone; what is still there afterwards goes."""
        folder = self.path(digest).parent
        folder.mkdir(parents=True, exist_ok=True)
        staging = folder / f".{digest[:16]}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            yield staging
        finally:
            staging.unlink(missing_ok=True)


def _written(chunks: Iterable[bytes], path: Path, algorithm: str, size: int | None) -> tuple[str, int]:
    """Write chunks to a file, but not much more than `size` bytes. Returns their digest and number."""
    found, count = hashlib.new(algorithm), 0
    with path.open("wb") as file:
        for chunk in chunks:
            found.update(chunk)
            count += len(chunk)
            file.write(chunk)
            if size is not None and count > size:
                break  # whatever follows, it is wrong
    return found.hexdigest(), count


def expected(item: Item) -> tuple[str, str]:
    """Algorithm and hexadecimal digest of an input."""
    if isinstance(item, NpmPackage):
        algorithm, _, value = item.integrity.partition("-")
        return algorithm, base64.b64decode(value).hex()
    if isinstance(item, BaseImage):
        algorithm, _, value = item.digest.partition(":")
        return algorithm, value
    return "sha256", item.sha256
