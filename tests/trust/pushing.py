"""Images of a given size that nothing can compress, and repositories of the places that they are pushed to."""

from __future__ import annotations

import random
from pathlib import Path

from places import Place

from imagemill import dockerconfig
from imagemill.mirrors import Mirrors
from imagemill.oci import CONFIG, INDEX, LAYER_GZIP, MANIFEST, Descriptor, Layout, canonical
from imagemill.registry.repository import Repository
from imagemill.web import Web


def index_in(folder: Path, megabytes: int, layers: int = 4, seed: int = 0) -> tuple[Layout, Descriptor]:
    """A layout of an index over two platforms with layers of their own. Returns it with its entry.

    Who unpacks its layers finds that they are no archives: registries do not.
    """
    numbers, layout, rows = random.Random(seed), Layout(folder), []  # noqa: S311 - the same bytes every time
    for arch in ("amd64", "arm64"):
        config = layout.add(CONFIG, canonical({"os": "linux", "architecture": arch, "seed": seed}))
        size = megabytes * 1_000_000 // (2 * layers)
        parts = [layout.add(LAYER_GZIP, numbers.randbytes(size)).to_json() for _ in range(layers)]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.to_json(), "layers": parts}
        made = layout.add(MANIFEST, canonical(manifest))
        rows.append(Descriptor(MANIFEST, made.digest, made.size, f"linux/{arch}").to_json())
    entry = layout.add(INDEX, canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}))
    layout.finish([entry])
    return layout, entry


def repository(place: Place, name: str, user: str = "publisher") -> Repository:
    """A repository of a place, with the login that somebody's docker has for it."""
    environ = place.as_user(user, place.folder) if place.users else dict(place.environ)
    home = Path(environ["HOME"])
    login = dockerconfig.login(environ, home, place.host, name, lambda helper, host: {})
    return Repository(Web(Mirrors(environ, home=home)), f"{place.host}/{name}", login)
