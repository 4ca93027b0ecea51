"""Images of a given size that nothing can compress, and repositories of the places that they are pushed to."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from dataclasses import replace
from pathlib import Path

from places import Place

from imagemill import dockerconfig
from imagemill.mirrors import Mirrors
from imagemill.oci import CONFIG, INDEX, LAYER_GZIP, MANIFEST, REF_NAME, Descriptor, Layout, canonical, sha256
from imagemill.registry.repository import Repository
from imagemill.web import Web


def index_in(folder: Path, megabytes: int, layers: int = 4, seed: int = 0) -> tuple[Layout, Descriptor]:
    """A layout of an index over two platforms with layers of their own. Returns it with its entry."""
    numbers, layout, rows = random.Random(seed), Layout(folder), []  # noqa: S311 - the same bytes every time
    for arch in ("amd64", "arm64"):
        tars = [_tar(numbers.randbytes(megabytes * 1_000_000 // (2 * layers))) for _ in range(layers)]
        parts = [layout.add(LAYER_GZIP, gzip.compress(tar, 0, mtime=0)).to_json() for tar in tars]
        rootfs = {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]}
        config = layout.add(CONFIG, canonical({"os": "linux", "architecture": arch, "config": {}, "rootfs": rootfs}))
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.to_json(), "layers": parts}
        made = layout.add(MANIFEST, canonical(manifest))
        rows.append(Descriptor(MANIFEST, made.digest, made.size, f"linux/{arch}").to_json())
    entry = layout.add(INDEX, canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}))
    layout.finish([replace(entry, annotations={REF_NAME: "latest"})])
    return layout, entry


def _tar(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("content")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def repository(place: Place, name: str, user: str = "publisher") -> Repository:
    """A repository of a place, with the login that somebody's docker has for it."""
    environ = place.as_user(user, place.folder) if place.users else dict(place.environ)
    home = Path(environ["HOME"])
    login = dockerconfig.login(environ, home, place.host, name, lambda helper, host: {})
    return Repository(Web(Mirrors(environ, home=home)), f"{place.host}/{name}", login)
