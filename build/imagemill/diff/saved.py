"""Images in files: what is an OCI layout on disk stays where it is, archives are unpacked into one."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

from imagemill.errors import LayoutError
from imagemill.oci import Blob, write_image

_LAYER = "application/vnd.oci.image.layer.v1.tar"
_REMEDY = "name an OCI layout, an oci-archive or a docker-archive"


def layout_of(path: Path, scratch: Path) -> Path:
    """The layout that the folder or archive at `path` is; an archive's is made below `scratch`.

    Raises LayoutError for anything else, and for a docker-archive of several images.
    """
    if path.is_dir():
        return path
    try:
        with tarfile.open(path, "r:") as tar:
            members = {member.name.removeprefix("./"): member for member in tar if member.isfile()}
            if {"oci-layout", "index.json"} <= members.keys():
                for name, member in members.items():
                    if name in ("oci-layout", "index.json") or _is_blob(name):
                        _unpack(tar, member, scratch / name)
                return scratch
            if "manifest.json" in members:
                return _docker(tar, members, path, scratch)
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError) as error:
        raise LayoutError(f"{path} cannot be read: {error}", _REMEDY) from None
    raise LayoutError(f"{path} is no archive of an image", _REMEDY)


def _docker(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], path: Path, scratch: Path) -> Path:
    """What Docker up to 24 and podman write: plain layers under names of their own, in the order of manifest.json."""
    images = json.loads(_read(tar, members["manifest.json"]))
    if len(images) != 1:
        raise LayoutError(f"{path} holds {len(images)} images", "save one image at a time")
    config: dict[str, Any] = json.loads(_read(tar, members[images[0]["Config"]]))
    blobs = []
    for number, (name, diff_id) in enumerate(zip(images[0]["Layers"], config["rootfs"]["diff_ids"], strict=True)):
        file = scratch / "layers" / str(number)
        _unpack(tar, members[name], file)
        with file.open("rb") as layer:
            digest = f"sha256:{hashlib.file_digest(layer, 'sha256').hexdigest()}"
        blobs.append(Blob(digest, diff_id, file.stat().st_size, file, _LAYER))
    write_image(scratch / "layout", {key: value for key, value in config.items() if key != "rootfs"}, blobs, path.name)
    return scratch / "layout"


def _is_blob(name: str) -> bool:
    folder, _, digest = name.rpartition("/")
    return folder == "blobs/sha256" and len(digest) == 64 and digest.isalnum()


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    if source is None:
        raise KeyError(member.name)
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    source = tar.extractfile(member)
    if source is None:
        raise KeyError(member.name)
    with source:
        return source.read()
