"""What is sent: files as they are read, or bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imagemill.errors import LayoutError
from imagemill.oci import sha256
from imagemill.registry.session import Body

Source = Path | bytes


class _Sending:
    """A file that is sent, as long as nobody gives up."""

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        self.file = path.open("rb")
        self._check = check

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        self._check()
        return self.file.read(size)


@contextmanager
def opened(source: Source, size: int, check: Callable[[], None]) -> Iterator[Body]:
    """What a request sends, from its beginning each time that it is asked for. `check` raises to end it midway."""
    if isinstance(source, bytes):
        yield lambda: (source, size)
        return
    sending = _Sending(source, check)

    def body() -> tuple[_Sending, int]:
        sending.file.seek(0)
        return sending, size

    with sending.file:
        yield body


def size_of(source: Source) -> int:
    """Its bytes. Raises LayoutError for a file that is missing."""
    if isinstance(source, bytes):
        return len(source)
    try:
        return source.stat().st_size
    except FileNotFoundError:
        raise LayoutError(f"{source} is missing", "build the image again") from None


def digest_of(source: Source) -> str:
    """The digest that it really has."""
    if isinstance(source, bytes):
        return sha256(source)
    with source.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
