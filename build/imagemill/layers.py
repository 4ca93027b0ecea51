"""The layer store: every layer is made once from its inputs, and found again by their hash."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from imagemill.assemble import OUR_EPOCH, Assembled, NativePython, assemble, dpkg, tarball
from imagemill.fetch import Cache
from imagemill.filetree import Entry
from imagemill.lock import DebianPackage, Inputs
from imagemill.manifest import Base
from imagemill.oci import Blob
from imagemill.platforms import Platform
from imagemill.render import Recipe
from imagemill.toolchain import init_layer


@dataclass(frozen=True)
class Job:
    """One layer to make on one platform. `below` are the keys of the layers whose packages a database lists."""

    key: str
    recipe: Recipe
    platform: Platform
    base: Base
    inputs: Inputs
    below: tuple[str, ...] = ()
    native: tuple[DebianPackage, ...] = ()
    """Packages of this machine's own architecture that run the layer's interpreter."""
    epoch: int | None = None
    """SOURCE_DATE_EPOCH, where it is set: no time in the layer is later."""

    @property
    def words(self) -> str:
        """A few words that tell this job from the others."""
        count = len(self.inputs.items)
        what = f"{count} packages" if count else self.recipe.kind
        return f"{self.recipe.set or self.recipe.name} for {self.platform.arch} ({what})"


@dataclass(frozen=True)
class Made:
    """A finished layer: its blob and the newest time in it, in seconds since 1970."""

    blob: Blob
    epoch: int


class LayerStore:
    """Layers below one directory: `<key>.tar.gz`, its digests in `<key>.json`, its packages beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, key: str) -> Made | None:
        """The layer with this key, or None when it was not made yet."""
        try:
            row = json.loads(self._file(key, "json").read_bytes())
        except FileNotFoundError:
            return None
        file = self._file(key, "tar.gz")
        if not file.is_file() or file.stat().st_size != row["size"]:
            return None
        return Made(Blob(row["digest"], row["diff_id"], row["size"], file), row["epoch"])

    def make(self, job: Job, *, root: Path, cache: Path) -> Made:
        """Make the layer of `job` and keep it. A killed run leaves nothing that looks like a layer."""
        self.path.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".scratch-", dir=self.path))
        try:
            made = self._assemble(job, root, Cache(cache), scratch)
            if job.epoch is not None:
                made = replace(made, epoch=min(made.epoch, job.epoch))
            blob = tarball.write(made.tree, scratch / "layer", epoch=made.epoch)
            self._file(job.key, "records.json").write_text(json.dumps(made.records), encoding="utf-8")
            blob.path.replace(self._file(job.key, "tar.gz"))
            row = {"digest": blob.digest, "diff_id": blob.diff_id, "size": blob.size, "epoch": made.epoch}
            staging = scratch / "row"
            staging.write_text(json.dumps(row), encoding="utf-8")
            staging.replace(self._file(job.key, "json"))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return Made(replace(blob, path=self._file(job.key, "tar.gz")), made.epoch)

    def _assemble(self, job: Job, root: Path, cache: Cache, scratch: Path) -> Assembled:
        state = self.path.parent
        (state / "python").mkdir(parents=True, exist_ok=True)
        if job.recipe.kind == "init":
            return Assembled(init_layer(root, job.platform, state / "go"), [], OUR_EPOCH)
        if job.recipe.kind == "database":
            rows = [row for key in job.below for row in json.loads(self._file(key, "records.json").read_bytes())]
            return dpkg.database(rows)
        made = assemble(
            replace(job.recipe.spec, files={}),
            job.inputs,
            platform=job.platform,
            base=job.base,
            path_of=cache.item,
            scratch=scratch,
            native=NativePython(job.native, cache.item, state / "python") if job.native else None,
        )
        epoch = made.epoch or OUR_EPOCH
        for path, file in job.recipe.files.items():
            mode = 0o755 if file.executable else 0o644
            made.tree[path.lstrip("/")] = Entry("file", mode, mtime=epoch, content=file.content)
        return replace(made, epoch=epoch)

    def _file(self, key: str, kind: str) -> Path:
        return self.path / f"{key}.{kind}"
