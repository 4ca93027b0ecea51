"""Base images of registries: their digests for the lock, and their blobs into the cache, by digest.

Source: OCI Distribution Specification 1.1 (pulling), and the token authentication of Docker's registry.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from imagemill.cache import Cache
from imagemill.errors import FetchError, IntegrityError, LockError
from imagemill.lock import BaseImage
from imagemill.oci import INDEX, MANIFEST, Descriptor, Layout
from imagemill.platforms import Platform
from imagemill.web import NotThere, Refused, Web, retried

_LISTS = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_SINGLE = (MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")

_T = TypeVar("_T")
Guard = Callable[[Iterable[bytes]], Iterator[bytes]]


class Repository:
    """One repository of a registry, to read from: `public.ecr.aws/lambda/python`.

    `login` is the header of a login for it, `Basic …`; empty where there is none, and the web's own are tried.
    """

    def __init__(self, web: Web, name: str, login: str = "") -> None:
        host, _, path = name.partition("/")
        self.name = name
        self._web = web
        self._path = path
        self._address = f"{'http' if _is_here(host) else 'https'}://{host}/v2/{path}"
        self._token = ""
        self._basic = login
        self._wants_basic = False  # a login goes where it is asked for

    def manifest(self, reference: str) -> bytes:
        """The manifest or index of a tag or digest."""
        accept = ", ".join((*_LISTS, *_SINGLE))

        def ask() -> bytes:
            return self._web.read(f"{self._address}/manifests/{reference}", {"Accept": accept, **self._login})

        return self.allowed(ask)

    def blob(self, digest: str) -> Iterator[bytes]:
        """The bytes of a blob, in pieces."""
        return self._web.stream(f"{self._address}/blobs/{digest}", self._login)

    @property
    def _login(self) -> dict[str, str]:
        if self._token:
            return {"Authorization": f"Bearer {self._token}"}
        return {"Authorization": self._basic} if self._basic and self._wants_basic else {}

    def allowed(self, ask: Callable[[], _T]) -> _T:
        """The answer. A registry that wants a token, or a newer one, says where it is had: by everybody mostly."""
        try:
            return ask()
        except Refused as refused:
            scheme, _, rest = refused.challenge.partition(" ")
            if scheme.lower() == "basic" and self._basic and not self._wants_basic:
                self._wants_basic = True
                return ask()
            words = dict(re.findall(r'(\w+)="([^"]*)"', rest))
            if scheme.lower() != "bearer" or not words.get("realm", "").startswith("http"):
                raise
            query = {"scope": f"repository:{self._path}:pull"}
            if "service" in words:
                query["service"] = words["service"]
            login = {"Authorization": self._basic} if self._basic else {}
            answer = json.loads(self._web.read(f"{words['realm']}?{urllib.parse.urlencode(query)}", login))
            self._token = answer.get("token") or answer.get("access_token") or ""
            return ask()


def resolve(image: str, platforms: Iterable[Platform], web: Web) -> dict[str, BaseImage]:
    """The digest that a tag (`host/name:tag`) has on each architecture now. Raises LockError where it has none."""
    name, _, tag = image.rpartition(":")
    repository = Repository(web, name)
    try:
        found = repository.manifest(tag)
        by_platform = dict(_manifests(found, repository))
    except (NotThere, Refused) as error:
        raise LockError(f"image {image}: {error.message}", "correct 'image'") from None
    pins = {}
    for platform in platforms:
        if str(platform) not in by_platform:
            there = ", ".join(sorted(by_platform))
            raise LockError(f"image {image} is not there for {platform}, only for {there}", "correct 'platforms'")
        pins[platform.arch] = BaseImage(name, tag, by_platform[str(platform)], _digest(found))
    return pins


def pull(image: BaseImage, cache: Cache, web: Web, guard: Guard) -> Path:
    """Have an image's blobs in the cache. Returns the path of its manifest, which comes last: with it, all is there.

    `guard` is what chunks pass through, so that a download can be ended. Raises NotThere and IntegrityError.
    """
    repository = Repository(web, image.name)
    manifest = repository.manifest(image.digest)
    _checked(manifest, image)
    for digest, size in _blobs(manifest):
        if not cache.path(digest.partition(":")[2]).is_file():
            _keep(repository, digest, size, cache, guard, f"{image.name}:{image.version}")
    return cache.keep([manifest], "sha256", image.digest.partition(":")[2], image.name)


def write_layout(image: BaseImage, cache: Cache, platform: Platform, out: Path) -> Descriptor:
    """Make an OCI layout of an image that was pulled, of links to the cache. Returns its descriptor there."""
    manifest = cache.item(image).read_bytes()
    layout = Layout(out)
    for digest, _ in _blobs(manifest):
        layout.link(cache.path(digest.partition(":")[2]), digest)
    layout.link(cache.item(image), image.digest)
    descriptor = Descriptor(_media_type(json.loads(manifest)), image.digest, len(manifest), str(platform))
    layout.finish([descriptor])
    return descriptor


def _keep(repository: Repository, digest: str, size: int, cache: Cache, guard: Guard, what: str) -> None:
    value = digest.partition(":")[2]

    def once() -> Path:
        return cache.keep(guard(repository.blob(digest)), "sha256", value, f"{what} {digest[:19]}", size)

    repository.allowed(lambda: retried(once))


def _manifests(found: bytes, repository: Repository) -> Iterator[tuple[str, str]]:
    """(platform, digest) of what a tag points at: an index, or the manifest of one platform."""
    data = json.loads(found)
    if _media_type(data) in _LISTS:
        for row in data["manifests"]:
            place = row.get("platform", {})
            if place.get("os") == "linux":  # attestations say "unknown"
                yield f"linux/{place['architecture']}", row["digest"]
    else:
        config = json.loads(b"".join(repository.blob(data["config"]["digest"])))  # the token is there by now
        yield f"{config['os']}/{config['architecture']}", _digest(found)


def _blobs(manifest: bytes) -> list[tuple[str, int]]:
    """(digest, size) of the configuration and the layers."""
    data = json.loads(manifest)
    rows = [(row["digest"], row["size"]) for row in (data["config"], *data["layers"])]
    for digest, _ in rows:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise FetchError(f"a manifest names the blob {digest!r}", "use an image whose digests are SHA-256")
    return rows


def _checked(manifest: bytes, image: BaseImage) -> None:
    found = _digest(manifest)
    if found != image.digest:
        raise IntegrityError(
            f"{image.name}:{image.version}: expected {image.digest}, found {found}",
            "the registry serves another manifest than the lock names; look why",
        )


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _media_type(data: dict[str, Any]) -> str:
    return str(data.get("mediaType") or (INDEX if "manifests" in data else MANIFEST))


def _is_here(host: str) -> bool:
    """Whether a registry is this machine's own, which all clients reach without encryption."""
    name = host.rpartition(":")[0] or host
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
