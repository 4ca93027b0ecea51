"""Upstream downloads: files from a project's own site, pinned by what they were when the lock was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import structs

from imagemill.cache import Cache
from imagemill.errors import IntegrityError
from imagemill.lock import Download
from imagemill.manifest import Download as Wanted
from imagemill.mirrors import Mirrors
from imagemill.platforms import Platform
from imagemill.web import Web, retried


def resolve(
    spec: Mapping[str, Wanted],
    platforms: Sequence[Platform],
    known: Mapping[str, Download],
    *,
    web: Web,
    mirrors: Mirrors,
    cache: Cache,
    say: Callable[[str], None],
) -> dict[str, tuple[Download, ...]]:
    """The downloads of a layer on each architecture, by name.

    What is `known` (address -> pin of an earlier lock) keeps its hash: a version that is out does not change, and
    one that did is to be noticed. All else is downloaded, into `cache`. Raises IntegrityError where that is not
    what the manifest says.
    """
    pins: dict[str, Download] = {}
    found: dict[str, list[Download]] = {platform.arch: [] for platform in platforms}
    for platform in platforms:
        for name, wanted in sorted(spec.items()):
            url, published = wanted.address(platform), wanted.hash_for(platform)
            if url not in pins:
                pin = known.get(url)
                if pin is None or pin.version != wanted.version or (published and pin.sha256 != published):
                    pin = _downloaded(name, wanted.version, url, web, mirrors, cache, say)
                pins[url] = pin
            if published and pins[url].sha256 != published:
                raise IntegrityError(
                    f"downloads.{name} {wanted.version}: the manifest has sha256 {published}, found "
                    f"{pins[url].sha256} at {url}",
                    "correct 'sha256' from what upstream publishes, or do not trust that file",
                )
            found[platform.arch].append(structs.replace(pins[url], name=name))
    return {arch: tuple(rows) for arch, rows in found.items()}


def _downloaded(
    name: str, version: str, url: str, web: Web, mirrors: Mirrors, cache: Cache, say: Callable[[str], None]
) -> Download:
    say(f"downloading {name} {version}")
    path = retried(lambda: cache.take(web.stream(mirrors.download(url))))
    return Download(name, version, url, path.stat().st_size, path.name)
