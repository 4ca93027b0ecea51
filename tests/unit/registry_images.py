"""Small layouts to push, and repositories of the small registry, for tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

from small_registry import LOGIN, SmallRegistry

from imagemill.mirrors import Mirrors
from imagemill.oci import CONFIG, INDEX, LAYER_GZIP, MANIFEST, Descriptor, Layout, canonical
from imagemill.registry.repository import Repository
from imagemill.web import Web

NAME = "team/lambda"
Make = Callable[..., SmallRegistry]
_WEB = Web(Mirrors({}))  # reading the system's certificates takes longer than a test does


def layout_in(folder: Path, layers: int = 2, text: str = "", size: int = 1000) -> tuple[Layout, Descriptor]:
    """A layout of an index over two platforms, which share their first layer. Returns it with its entry."""
    layout = Layout(folder)
    rows = []
    for arch in ("amd64", "arm64"):
        parts = [layout.add(CONFIG, json.dumps({"os": "linux", "architecture": arch, "text": text}).encode())]
        for number in range(layers):
            content = f"{text} layer {number} {arch if number else ''}".encode()
            parts.append(layout.add(LAYER_GZIP, content.ljust(size, b".")))
        config, *others = (part.to_json() for part in parts)
        data = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": others}
        made = layout.add(MANIFEST, canonical(data))
        rows.append(Descriptor(MANIFEST, made.digest, made.size, f"linux/{arch}").to_json())
    entry = layout.add(INDEX, canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}))
    layout.finish([entry])
    return layout, entry


def basic(login: str) -> str:
    """The header of a login."""
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def repository(
    registry: SmallRegistry,
    login: str = LOGIN,
    *,
    name: str = NAME,
    waits: list[float] | None = None,
    web: Web | None = None,
) -> Repository:
    """A repository of a small registry; it does not really wait, but says how long it would."""
    wait: Callable[[float], None] = (lambda _: None) if waits is None else waits.append
    return Repository(web or _WEB, f"{registry.host}/{name}", basic(login) if login else "", wait)


def whole_in(registry: SmallRegistry, layout: Layout, name: str = NAME) -> bool:
    """Whether a repository has all that a layout has, byte for byte."""
    repo = registry.repo(name)
    there = repo.blobs | {digest: data for digest, (_, data) in repo.manifests.items()}
    files = (layout.path / "blobs" / "sha256").iterdir()
    return all(there.get(f"sha256:{file.name}") == file.read_bytes() for file in files)
