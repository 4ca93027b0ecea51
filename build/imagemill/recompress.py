"""Layers in another compression: made once from each, kept beside those they were made from.

Layers are made with gzip, which is quick; what is published has them in zstd. The tar in them stays what it is.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from imagemill.assemble.compression import Compression, Writer, plain
from imagemill.oci import Blob, Descriptor, Layout, write_image

_PIECE = 1 << 20  # what tarball.write hands to the compressor: gzip's bytes depend on it


def layer(blob: Blob, compression: Compression, store: Path) -> Blob:
    """The layer of `blob` in this compression, from `store`, a directory, where it is made if it is not there.

    Files are named by diff id and compression, so the forms of a layer lie apart. They appear whole or not at all.
    LayoutError when the blob is damaged.
    """
    store.mkdir(parents=True, exist_ok=True)
    name = f"{blob.diff_id.partition(':')[2]}.{str(compression).replace(':', '-')}"
    path, record = store / f"{name}.tar", store / f"{name}.json"
    try:
        row = json.loads(record.read_bytes())
        if path.stat().st_size == row["size"]:
            return Blob(row["digest"], blob.diff_id, row["size"], path, compression.media_type)
    except FileNotFoundError:
        pass
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=store) as scratch:
        staging = Path(scratch, "layer")
        with blob.path.open("rb") as source, staging.open("wb") as out:
            packed = Writer(out, compression)
            for piece in _even(plain(source, blob.path)):
                packed.add(piece)
            packed.finish()
        said = Path(scratch, "record")
        said.write_text(json.dumps({"digest": packed.digest, "size": packed.size}), encoding="utf-8")
        staging.replace(path)
        said.replace(record)
    return Blob(packed.digest, blob.diff_id, packed.size, path, compression.media_type)


def image(path: Path, compression: Compression, store: Path, name: str) -> Descriptor:
    """Have the one image of the layout at `path` in this compression, and return its descriptor.

    The layout is replaced when something changes; configuration and diff ids stay. `name` is what it lists the
    image as, `store` as in `layer`.
    """
    layout = Layout(path)
    [descriptor] = layout.images()
    manifest = layout.read_json(descriptor.digest)
    config = layout.read_json(manifest["config"]["digest"])
    blobs = layers(layout, manifest, config)
    wanted = [blob if blob.media_type == compression.media_type else layer(blob, compression, store) for blob in blobs]
    if wanted == blobs:
        return replace(descriptor, annotations={})
    return write_image(path, config, wanted, name)


def layers(layout: Layout, manifest: dict[str, Any], config: dict[str, Any]) -> list[Blob]:
    """The layers of an image as they lie in its layout."""
    return [
        Blob(row["digest"], diff_id, row["size"], layout.blob_path(row["digest"]), row["mediaType"])
        for row, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True)
    ]


def _even(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of one size and a last one."""
    pending = bytearray()
    for piece in pieces:
        pending += piece
        while len(pending) >= _PIECE:
            yield bytes(pending[:_PIECE])
            del pending[:_PIECE]
    if pending:
        yield bytes(pending)
