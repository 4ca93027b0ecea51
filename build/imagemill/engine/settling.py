"""What an engine made, brought to the factory's form: it then differs only where its content does.

The same Dockerfile built twice, by two engines or on two file systems, gives one image: layers are written anew as
the difference that they make, and configuration and history as the embedded engine words them.
"""

from __future__ import annotations

import mmap
import posixpath
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from msgspec.structs import replace

from imagemill import oci
from imagemill.assemble import compression, tarball
from imagemill.engine.difference import difference
from imagemill.engine.embedded import settings
from imagemill.engine.embedded.lineage import Step
from imagemill.filetree import Entry, Tree
from imagemill.merged import MergedTree
from imagemill.spool import spool
from imagemill.tarwalk import walk

# The rest of an image configuration is the engine's own: ArgsEscaped, Hostname, null OnBuild, ...
_CONFIG_KEYS = {
    *("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal"),
    *("Healthcheck", "Shell", "OnBuild"),
}
_IDENTITY_LABEL = "io.buildah.version"


def settle(
    config: Mapping[str, Any],
    layers: Iterable[IO[bytes]],
    layout: Path,
    *,
    name: str,
    epoch: int,
    scratch: Path,
    steps: Sequence[Step] = (),
) -> oci.Descriptor:
    """Write an image in the factory's form; returns the descriptor of its manifest.

    What the build itself touched gets `epoch` (seconds since 1970) as its time, older times stay. A layer that changes
    nothing goes, as do those parts of the configuration that each engine words in its own way. `steps` is what the
    image comes from: it gives the history, which is empty when the engine tells of other instructions, and the layer
    archives, of which an engine may have left out what the layers below have too.
    """
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    makers = _makers(steps, config)
    archives = iter([step.archive for step, makes in zip(steps, makers, strict=False) if makes])
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        settling = _Settling(Path(folder), epoch)
        blobs: list[oci.Blob | None] = []
        for stream in layers:
            with stream:
                blobs.append(settling.layer(stream, next(archives, None)))
        image = {
            "architecture": config["architecture"],
            "os": config["os"],
            "created": created,
            "config": _configuration(config.get("config", {})),
            "history": _history(steps, makers, blobs, created),
        }
        return oci.write_image(layout, image, [blob for blob in blobs if blob is not None], name)


class _Settling:
    """The layers of an image, the lowest first. All of them lie plain in `folder`, where the tree has its content."""

    def __init__(self, folder: Path, epoch: int) -> None:
        self._folder = folder
        self._epoch = epoch
        self._tree = MergedTree()
        self._number = 0

    def layer(self, stream: IO[bytes], archive: oci.Blob | None) -> oci.Blob | None:
        """Write one more layer in canonical form; None when it changes nothing. It has all paths of its archive."""
        self._number += 1
        plain = self._folder / f"{self._number}.tar"
        with plain.open("w+b") as file:
            file.writelines(compression.plain(stream, "what the engine saved"))
        before = dict(self._tree.entries)
        made = [(path, replace(entry, mtime=min(entry.mtime, self._epoch))) for path, entry in _walked(plain)]
        self._tree.apply(made)
        whole = self._archived(archive) if archive else {}
        for path in whole.keys() - dict(made).keys():
            there = self._tree.entries.get(path)
            if there is not None and there.kind == whole[path].kind == "dir":
                # what compares takes no directory for changed of which the time alone is new, and loses that
                self._tree.entries[path] = replace(there, mtime=min(whole[path].mtime, self._epoch))
        changed = difference(before, self._tree.entries, self._epoch, whole)
        return tarball.write(changed, plain.with_suffix(".tar.gz"), epoch=self._epoch) if changed else None

    def _archived(self, archive: oci.Blob) -> Tree:
        """What an archive has, without the content of files."""
        plain = spool(archive.path, archive.digest, self._folder)
        found = {path: replace(entry, content=b"") for path, entry in _walked(plain)}
        plain.unlink()
        return found


def _walked(plain: Path) -> list[tuple[str, Entry]]:
    with plain.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return list(walk(data, plain))


def _configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that an image has, in the form of the embedded engine: with a PATH, and that first."""
    found = {key: value for key, value in config.items() if key in _CONFIG_KEYS and value}
    labels = {key: value for key, value in found.pop("Labels", {}).items() if key != _IDENTITY_LABEL}
    if labels:
        found["Labels"] = labels
    env = dict(line.partition("=")[::2] for line in found.pop("Env", ()))
    found["Env"] = [f"{key}={value}" for key, value in {"PATH": settings.PATH, **env}.items()]
    found["WorkingDir"] = posixpath.normpath(found.get("WorkingDir", "/"))
    return found


def _makers(steps: Sequence[Step], config: Mapping[str, Any]) -> list[bool]:
    """Which of the instructions made the layers; empty when these are not theirs.

    The engine's own history says it. One that has other rows (a target of bake that continues another repeats its
    ARGs) is BuildKit's, which makes a layer, be it an empty one, of each instruction of three kinds.
    """
    told = config.get("history") or []
    if len(told) == len(steps):
        made = [not row.get("empty_layer") for row in told]
    else:
        made = [step.instruction.keyword in ("ADD", "COPY", "WORKDIR") for step in steps]
    return made if sum(made) == len(config["rootfs"]["diff_ids"]) else []


def _history(
    steps: Sequence[Step], makers: Sequence[bool], blobs: Sequence[oci.Blob | None], created: str
) -> list[dict[str, Any]]:
    """A row an instruction, as the embedded engine writes them."""
    layers = iter(blobs)
    rows = []
    for step, makes in zip(steps, makers, strict=False):
        row = {"created": created, "created_by": step.instruction.spelled}
        rows.append(row if makes and next(layers) is not None else {**row, "empty_layer": True})
    return rows
