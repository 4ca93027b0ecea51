"""Bringing what a lock names into a content-addressed cache: verified, in parallel, over few connections."""

from __future__ import annotations

import html
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from imagemill.cache import Cache, expected
from imagemill.errors import FetchError, IntegrityError
from imagemill.lock import BaseImage, DebianPackage, Download, Item, NpmPackage, Wheel
from imagemill.mirrors import Mirrors
from imagemill.pull import pull
from imagemill.web import CONNECTIONS, NotThere, Web, retried

__all__ = ["Cache", "Fetcher", "Gone", "Listed", "index_page", "npm_address"]

_STATES = (0, 6 * 3600, 24 * 3600)
"""Seconds after a lock's date at which a snapshot mirror is asked."""


class Gone(FetchError):
    """Inputs that the mirrors no longer have."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = tuple(items)
        names = ", ".join(f"{item.name} {item.version}" for item in self.items)
        remedy = "run `imagemill lock --update`"
        if any(isinstance(item, Download) for item in self.items):
            remedy = "name another 'version' or 'url' in the manifest, or set IMAGEMILL_DOWNLOAD_MIRROR; then " + remedy
        elif all(isinstance(item, DebianPackage) for item in self.items):  # only a suite has successors of its own
            remedy += ", build without --locked, or set IMAGEMILL_DEBIAN_SNAPSHOT"
        super().__init__(f"the mirrors no longer have: {names}", remedy)


@dataclass
class _Round:
    """One call of `fetch`: what its threads share."""

    web: Web
    date: int | None
    gone: list[Item] = field(default_factory=list)
    snapshot_down: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    def until_stopped(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks, up to where the whole round ends: then nobody waits for the rest of a large file."""
        for chunk in chunks:
            if self.stop.is_set():
                raise FetchError("another download failed first")
            yield chunk


_File = DebianPackage | Wheel | NpmPackage | Download


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
        """Have all of these in the cache. `date` (seconds since 1970) is when a snapshot mirror had the packages.

        Raises Gone with every input that the mirrors answer "not found" for, once all others are there;
        IntegrityError and other FetchErrors at once. Whatever ends it, what is in the cache is whole.
        """
        wanted = {self.path(item): item for item in items}  # one tarball may have several places
        missing = [item for path, item in wanted.items() if not path.is_file()]
        if not missing:
            return
        size = sum(_size(item) or 0 for item in missing)
        self._say(f"fetching {len(missing)} inputs ({size / 1e6:.0f} MB or more)")
        round_ = _Round(Web(self._mirrors), date)

        def one(item: Item) -> None:
            try:
                self._one(item, round_)
            except NotThere:
                round_.gone.append(item)

        missing.sort(key=lambda item: _size(item) or 1_000_000, reverse=True)  # no long one alone at the end
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            futures = [pool.submit(one, item) for item in missing]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                round_.stop.set()
                for future in futures:
                    future.cancel()
                raise
        if round_.gone:
            raise Gone(sorted(round_.gone, key=lambda item: item.name))

    def _one(self, item: Item, round_: _Round) -> None:
        if isinstance(item, BaseImage):
            pull(item, self._cache, round_.web, round_.until_stopped)
            return
        algorithm, digest = expected(item)
        size = _size(item)

        def keep(url: str) -> Path:
            what = f"{item.name} {item.version} ({url.rpartition('/')[2]})"

            def once() -> Path:
                chunks = round_.until_stopped(round_.web.stream(url))
                return self._cache.keep(chunks, algorithm, digest, what, size)

            return retried(once)

        try:
            keep(self._address(item, round_.web))
        except NotThere:
            for place in self._snapshots(item, round_.date):
                if not round_.snapshot_down and self._held(place, keep, round_):
                    return
            raise

    def _held(self, place: str, keep: Callable[[str], Path], round_: _Round) -> bool:
        """Whether a snapshot mirror has the right bytes there. One that does not answer is asked no more."""
        try:
            keep(place)
        except IntegrityError:
            raise
        except NotThere:
            return False
        except FetchError as error:
            if not round_.snapshot_down:
                self._say(f"the snapshot mirror is left out: {error.message}")
            round_.snapshot_down = True
            return False
        return True

    def _address(self, item: _File, web: Web) -> str:
        if isinstance(item, DebianPackage):
            return f"{self._mirrors.archive(item.archive)}/{item.path}"
        if isinstance(item, Wheel):
            page = index_page(web, self._mirrors.pypi, item.name)
            if item.file not in page:
                raise NotThere(f"{item.file} is not on the package index", "run `imagemill lock --update`")
            return page[item.file].url
        if isinstance(item, Download):
            return self._mirrors.download(item.url)
        return npm_address(self._mirrors.npm, item)

    def _snapshots(self, item: Item, date: int | None) -> list[str]:
        """Where a snapshot mirror may have a package that the pool dropped; nowhere when none is set.

        Such archives lay states out as `archive/<archive>/<instant>/` and answer for any instant with the state
        that they took last before it. The lock's newest date is one at which all of its suites were as it names
        them, but states are taken some hours apart, so the first that has what was new then may be a later one.
        """
        if not (isinstance(item, DebianPackage) and self._mirrors.debian_snapshot and date is not None):
            return []
        root = f"{self._mirrors.debian_snapshot}/archive/{item.archive}"
        instants = [datetime.fromtimestamp(date + later, UTC).strftime("%Y%m%dT%H%M%SZ") for later in _STATES]
        return [f"{root}/{instant}/{item.path}" for instant in instants]


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


def _size(item: Item) -> int | None:
    """The bytes of an input, where the lock knows."""
    return item.size if isinstance(item, DebianPackage | Download) else None
