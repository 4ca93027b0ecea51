"""References to images that were not made here: layouts, archives, names in the local engine and in registries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagemill import dockerconfig
from imagemill.archives import to_layout
from imagemill.cache import Cache
from imagemill.conform.image import DOCKER_LIST, DOCKER_MANIFEST, digest_of
from imagemill.errors import LayoutError, SelectionError
from imagemill.oci import INDEX, MANIFEST, Descriptor, Layout, canonical
from imagemill.registry.faults import Denied, Missing
from imagemill.registry.names import Name, parse
from imagemill.registry.repository import Repository
from imagemill.spool import MAX_LAYER
from imagemill.web import Web

_INDEXES = (INDEX, DOCKER_LIST)
_DEEPEST = 4
_LARGEST = 16 << 20
_MOST = 1000  # images below one name

Save = Callable[[str, Path], bool]
"""Writes the image with a name in the local engine to a file; False where the engine has none of that name."""


@dataclass(frozen=True)
class Places:
    """Where references are looked for: `save` is the local engine, None where there is none."""

    scratch: Path
    cache: Cache
    web: Web
    login: Callable[[Name], str]
    save: Save | None
    say: Callable[[str], None]


def places(
    environ: Mapping[str, str], scratch: Path, cache: Cache, web: Web, save: Save | None, say: Callable[[str], None]
) -> Places:
    """Places whose logins are those of the docker configuration that `environ` leads to."""
    return Places(scratch, cache, web, lambda name: dockerconfig.login_for(environ, name.repository), save, say)


def open_reference(text: str, places: Places) -> Path:
    """The layout of what `text` names: a path, a name in the local engine, or one in a registry, in this order.

    `docker://NAME` is the registry's in any case. Raises SelectionError for what is none of them, LayoutError and
    FetchError for what cannot be read.
    """
    path = Path(text)
    if path.is_dir():
        return path
    folder = places.scratch / f"ref-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if path.is_file():
        places.say(f"unpacking {text}")
        return to_layout(path, folder)
    name = parse(text.removeprefix("docker://"))
    if name is None or text.startswith(("/", "./", "../")):
        raise SelectionError(
            f"{text!r} is no planned image, no layout or archive, and no name of an image",
            "see `imagemill plan` for the names of planned images",
        )
    if not text.startswith("docker://") and places.save is not None:
        folder.mkdir(parents=True, exist_ok=True)
        saved = folder / "saved.tar"
        if places.save(text, saved):
            places.say(f"saved {text} from the local engine")
            try:
                return to_layout(saved, folder)
            finally:
                saved.unlink(missing_ok=True)
    if not set(text) & set("/:@"):  # more likely a planned image that is not, than one of the Hub's own
        raise SelectionError(
            f"no image is called {text!r}: no planned one, and none in the local engine",
            f"see `imagemill plan`, or write docker://{text} for what the Hub has",
        )
    places.say(f"pulling {text}")
    return pull(name, folder, places)


def pull(name: Name, out: Path, places: Places) -> Path:
    """A layout of all platforms of an image in a registry; its blobs are kept in the cache, verified."""
    repository = Repository(places.web, name.repository, places.login(name))
    layout = Layout(out)
    out.mkdir(parents=True, exist_ok=True)
    shown = f"{name.repository} {name.reference}"
    try:
        data = repository.manifest(name.reference)
        entry = _have(repository, layout, data, places.cache, 0, set())
    except Missing:
        raise SelectionError(f"{shown} is not there", "correct the name, or its tag") from None
    except Denied as denied:
        raise Denied(denied.message, f"{denied.remedy}, or see whether it is there at all") from None
    layout.finish([entry])
    return out


def _have(repository: Repository, layout: Layout, data: bytes, cache: Cache, depth: int, seen: set[str]) -> Descriptor:
    """Have a manifest or index and all below it in the layout; what was `seen` is there already."""
    where = f"{repository.name}: a manifest"
    if len(data) > _LARGEST or depth > _DEEPEST:
        raise LayoutError(f"{where} is too large, or below too many indexes", "take another image")
    try:
        found = json.loads(data)
        kind = str(found.get("mediaType") or (INDEX if "manifests" in found else MANIFEST))
        rows = found["manifests"] if kind in _INDEXES else [found["config"], *found["layers"]]
        parts = [(digest_of(row["digest"], where), int(row["size"]), _for_nobody(row)) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LayoutError(f"{where} is damaged: {error!r}", "take another image") from None
    if kind in _INDEXES:
        listed = [row for row, (_, _, useless) in zip(rows, parts, strict=True) if not useless]
        for row in listed:
            digest = digest_of(row["digest"], where)
            if digest in seen:
                continue
            seen.add(digest)
            if len(seen) > _MOST:
                raise LayoutError(f"{repository.name}: more than {_MOST} images", "name one of them by its digest")
            child = repository.manifest(digest)
            _have(repository, layout, child, cache, depth + 1, seen)
        if listed != rows:  # attestations are not pulled, so the layout lists the images alone
            data = canonical({**found, "manifests": listed})
    elif kind in (MANIFEST, DOCKER_MANIFEST):
        for digest, size, _ in parts:
            layout.link(_blob(repository, digest, size, cache), digest)
    else:
        raise LayoutError(f"{where} is of the unknown media type {kind!r}", "take another image")
    return layout.add(kind, data)


def _for_nobody(row: Any) -> bool:
    """Whether an entry of an index is an attestation: for the platform unknown/unknown."""
    platform = row.get("platform") if isinstance(row, dict) else None
    return isinstance(platform, dict) and platform.get("os") == "unknown"


def _blob(repository: Repository, digest: str, size: int, cache: Cache) -> Path:
    value = digest.partition(":")[2]
    if not 0 <= size <= MAX_LAYER:
        raise LayoutError(f"{repository.name}: a blob of {size} bytes", "take another image")

    if cache.path(value).is_file():
        return cache.path(value)
    return cache.keep(_bounded(repository.blob(digest), size), "sha256", value, f"{repository.name} {digest[:19]}")


def _bounded(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The chunks, no further than `size` says: what comes after it is no part of the blob."""
    count = 0
    for chunk in chunks:
        count += len(chunk)
        yield chunk
        if count > size:
            return
