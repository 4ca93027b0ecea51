"""Bringing what a lock names into a content-addressed cache: verified, in parallel, over few connections."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import secrets
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import urllib3
from urllib3.exceptions import HTTPError

from imagemill.errors import FetchError, IntegrityError
from imagemill.lock import DebianPackage, Item, NpmPackage, Wheel
from imagemill.mirrors import Mirrors

CONNECTIONS = 8  # to one host; more gain nothing, and resolvers drop bursts
_ATTEMPTS = 4
_CHUNK = 1 << 18
_T = TypeVar("_T")
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class Gone(FetchError):
    """Inputs that the mirrors no longer have."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = tuple(items)
        names = ", ".join(f"{item.name} {item.version}" for item in self.items)
        super().__init__(
            f"the mirrors no longer have: {names}",
            "run `imagemill lock --update`, build without --locked, or set IMAGEMILL_DEBIAN_SNAPSHOT",
        )


class _NotThere(FetchError):
    """A definitive answer: the address has nothing."""


class Cache:
    """Files by their SHA-256 (or, for npm's SHA-512, by that) below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Where the file with this hexadecimal digest lies, or would lie."""
        return self.root / digest[:2] / digest

    def item(self, item: Item) -> Path:
        """Where an input lies, or would lie."""
        return self.path(_expected(item)[1])

    def keep(self, chunks: Iterable[bytes], algorithm: str, digest: str, what: str, size: int | None = None) -> Path:
        """Write what `chunks` give, if it is what it should be.

        Raises IntegrityError otherwise, and the cache is as before. Concurrent writers do not disturb each other.
        """
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = path.parent / f".{digest[:16]}.{os.getpid()}.{secrets.token_hex(4)}"
        found = hashlib.new(algorithm)
        count = 0
        try:
            with staging.open("wb") as file:
                for chunk in chunks:
                    found.update(chunk)
                    count += len(chunk)
                    file.write(chunk)
                    if size is not None and count > size:
                        break  # whatever follows, it is wrong
            if found.hexdigest() != digest or (size is not None and size != count):
                raise IntegrityError(
                    f"{what}: expected {algorithm} {digest}, found {found.hexdigest()} ({count} bytes)",
                    "the mirror serves other bytes than the lock names; use another mirror, or look why",
                )
            staging.replace(path)
        finally:
            staging.unlink(missing_ok=True)
        return path


class Web:
    """HTTP over kept-alive connections, with retries for faults that pass."""

    def __init__(self, mirrors: Mirrors) -> None:
        certificates = mirrors.certificates
        self._logins: dict[str, str] = {}  # host:port -> user:password, as addresses of mirrors carry them
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            block=True,
            retries=False,
            timeout=urllib3.Timeout(connect=15, read=60),
            ca_certs=certificates or None,
        )

    def stream(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """The body of a GET, in pieces. Raises FetchError; `transient` tells whether to try again."""
        try:
            answer: Any = self._pool.request(
                "GET", url, headers={**(headers or {}), **self._login(url)}, preload_content=False, retries=3
            )
        except HTTPError as error:
            raise FetchError(f"{_shown(url)}: {error}", "see whether the mirror answers", transient=True) from None
        try:
            if answer.status != 200:
                answer.drain_conn()  # so that the connection can be used again
            if answer.status in (404, 410):
                raise _NotThere(f"{_shown(url)}: {answer.status}", "see whether the mirror is complete")
            if answer.status != 200:
                raise FetchError(
                    f"{_shown(url)}: {answer.status}", "see whether the mirror answers",
                    transient=answer.status in _TRANSIENT,
                )  # fmt: skip
            try:
                yield from answer.stream(_CHUNK, decode_content=True)
            except HTTPError as error:
                raise FetchError(f"{_shown(url)}: {error}", "try again", transient=True) from None
        finally:
            answer.close()  # what was read to its end has gone back to the pool already

    def _login(self, url: str) -> dict[str, str]:
        """The header for a user and password in the address, or in an earlier one of the same host.

        Links on an index page have none; a redirect to another host is followed without.
        """
        parts = urllib.parse.urlsplit(url)
        login, _, host = parts.netloc.rpartition("@")
        if login:
            self._logins[host] = urllib.parse.unquote(login)
        known = self._logins.get(host)
        return urllib3.make_headers(basic_auth=known) if known else {}

    def read(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The whole body of a GET; transient faults are tried again."""
        return retried(lambda: b"".join(self.stream(url, headers)))


class Fetcher:
    """Brings inputs into a cache."""

    def __init__(self, cache: Cache, mirrors: Mirrors, say: Callable[[str], None]) -> None:
        self._cache = cache
        self._mirrors = mirrors
        self._say = say

    def path(self, item: Item) -> Path:
        """Where an input lies once it was fetched."""
        return self._cache.item(item)

    def fetch(self, items: Iterable[Item], date: int | None = None) -> None:
        """Have all of these in the cache. `date` (seconds since 1970) is where a snapshot mirror is asked.

        Raises Gone with every input that the mirrors answer "not found" for, once all others are there;
        IntegrityError and other FetchErrors at once.
        """
        wanted = {self.path(item): item for item in items}  # one tarball may have several places
        missing = [item for path, item in wanted.items() if not path.is_file()]
        if not missing:
            return
        size = sum(item.size for item in missing if isinstance(item, DebianPackage))
        self._say(f"fetching {len(missing)} packages ({size / 1e6:.0f} MB of them Debian's)")
        web = Web(self._mirrors)
        gone: list[Item] = []

        def one(item: Item) -> None:
            try:
                self._one(item, date, web)
            except _NotThere:
                gone.append(item)

        missing.sort(key=lambda item: item.size if isinstance(item, DebianPackage) else 1_000_000, reverse=True)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            futures = [pool.submit(one, item) for item in missing]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                raise
        if gone:
            raise Gone(sorted(gone, key=lambda item: item.name))

    def _one(self, item: Item, date: int | None, web: Web) -> None:
        algorithm, digest = _expected(item)
        size = item.size if isinstance(item, DebianPackage) else None

        def keep(url: str) -> Path:
            what = f"{item.name} {item.version} ({url.rpartition('/')[2]})"
            return self._cache.keep(web.stream(url), algorithm, digest, what, size)

        try:
            address = self._address(item, web)
            retried(lambda: keep(address))
        except _NotThere:
            snapshot = self._snapshot(item, date)
            if not snapshot:
                raise
            try:
                keep(snapshot)
            except IntegrityError:
                raise
            except FetchError as error:  # a snapshot archive that does not answer has nothing to give
                raise _NotThere(error.message, error.remedy) from None

    def _address(self, item: Item, web: Web) -> str:
        if isinstance(item, DebianPackage):
            return f"{self._mirrors.archive(item.archive)}/{item.path}"
        if isinstance(item, Wheel):
            page = index_page(web, self._mirrors.pypi, item.name)
            if item.file not in page:
                raise _NotThere(f"{item.file} is not on the package index", "run `imagemill lock --update`")
            return page[item.file].url
        return npm_address(self._mirrors.npm, item)

    def _snapshot(self, item: Item, date: int | None) -> str:
        """Where a snapshot archive has a package that the pool dropped; empty when none is set."""
        if not (isinstance(item, DebianPackage) and self._mirrors.debian_snapshot and date is not None):
            return ""
        when = datetime.fromtimestamp(date, UTC).strftime("%Y%m%dT%H%M%SZ")
        return f"{self._mirrors.debian_snapshot}/archive/{item.archive}/{when}/{item.path}"


@dataclass(frozen=True)
class Listed:
    """A file on a page of a Python package index; `sha256` is empty where the page has none."""

    url: str
    sha256: str
    yanked: bool


def index_page(web: Web, index: str, project: str) -> dict[str, Listed]:
    """The files of a project on a Python package index by name (PEP 691, or PEP 503's HTML)."""
    url = f"{index}/{re.sub('[-_.]+', '-', project).lower()}/"
    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.2"
    text = web.read(url, {"Accept": accept}).decode()
    if text.lstrip().startswith("{"):
        return {
            row["filename"]: Listed(
                urllib.parse.urljoin(url, row["url"]), row["hashes"].get("sha256", ""), bool(row.get("yanked"))
            )
            for row in json.loads(text)["files"]
        }
    files: dict[str, Listed] = {}
    for attributes, name in re.findall(r"<a\s([^>]*)>\s*([^<\s]+)\s*</a>", text, re.IGNORECASE):
        link = re.search(r"""href\s*=\s*["']([^"']+)["']""", attributes, re.IGNORECASE)
        if link:
            address, _, fragment = urllib.parse.urljoin(url, html.unescape(link[1])).partition("#")
            sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else ""
            files[name] = Listed(address, sha256, "data-yanked" in attributes)
    return files


def npm_address(registry: str, package: NpmPackage) -> str:
    """Where a registry has a tarball (npm's own layout, which every registry keeps)."""
    return f"{registry}/{package.name}/-/{package.name.rpartition('/')[2]}-{package.version}.tgz"


def retried(call: Callable[[], _T]) -> _T:
    """Call, and again with growing pauses while it fails for a reason that may pass."""
    for attempt in range(_ATTEMPTS):
        try:
            return call()
        except FetchError as error:
            if not error.transient or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.5 * 3**attempt)
    raise AssertionError("unreachable")


def _expected(item: Item) -> tuple[str, str]:
    """Algorithm and hexadecimal digest of an input."""
    if isinstance(item, NpmPackage):
        algorithm, _, value = item.integrity.partition("-")
        return algorithm, base64.b64decode(value).hex()
    return "sha256", item.sha256


def _shown(url: str) -> str:
    """An address without what may be a password in it."""
    return re.sub(r"//[^/@]*@", "//", url)
