"""The layer store: every layer is made once from its inputs, and found again by their hash."""

from __future__ import annotations

import hashlib
import json
import resource
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from imagemill.assemble import OUR_EPOCH, Assembled, NativePython, assemble, csharp, dpkg, java, source, tarball
from imagemill.cache import Cache
from imagemill.filetree import Entry
from imagemill.limits import MOST
from imagemill.lock import DebianPackage, Inputs
from imagemill.manifest import Base
from imagemill.oci import Blob
from imagemill.platforms import Platform, native
from imagemill.render import Recipe
from imagemill.room import room
from imagemill.toolchain import compile_program, init_layer

_INIT_SIZE = 100_000_000  # compiling, with an empty cache, takes as long as unpacking and packing so much
_OTHER_SIZE = 5_000_000
_BASIC_MEMORY = 100_000_000  # the interpreter, our modules, and the tree of a layer of some files
_KEPT = 120_000_000  # with more than this before it, a large layer would need more than MOST
_UNPACKED = 5  # bytes on disk while a layer is made, for one of its packages


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
    """Packages of this machine's own architecture that compile parts of the layer."""
    epoch: int | None = None
    """SOURCE_DATE_EPOCH, where it is set: no time in the layer is later."""

    @property
    def words(self) -> str:
        """A few words that tell this job from the others."""
        count = len(self.inputs.items)
        what = f"{count} packages" if count else self.recipe.kind
        return f"{self.recipe.set or self.recipe.name} for {self.platform.arch} ({what})"

    @property
    def size(self) -> int:
        """About how many bytes its inputs have; a lock tells the sizes of Debian packages only."""
        others = sum(map(len, (*self.inputs.pypi, *self.inputs.npm)))
        init = _INIT_SIZE if self.recipe.kind == "init" else 0
        return sum(package.size for package in self.inputs.debian) + others * _OTHER_SIZE + init

    @property
    def memory(self) -> int:
        """About how many bytes of memory making it takes."""
        return min(MOST, _BASIC_MEMORY + _UNPACKED * self.size)


@dataclass(frozen=True)
class Made:
    """A finished layer: its blob and the newest time in it, in seconds since 1970."""

    blob: Blob
    epoch: int


@dataclass(frozen=True)
class Order:
    """A job, and where everything is: what a process needs to make a layer."""

    job: Job
    store: Path
    root: Path
    cache: Path
    scratch: Path


def craft(order: Order) -> tuple[Made, int]:
    """Make one layer. Returns it with the most memory that this process has used until now, in bytes."""
    store = LayerStore(order.store)
    with room(order.scratch, order.job.size * _UNPACKED):
        made = store.make(order.job, root=order.root, cache=order.cache, scratch=order.scratch)
    return made, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def grown(statm: Path = Path("/proc/self/statm")) -> bool:
    """Whether this process has kept so much memory of the layers it made that the next would go beyond MOST.

    What a process has freed it may still hold, in fragments. Without /proc (macOS) never.
    """
    try:
        resident = int(statm.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return False
    return resident > _KEPT


class LayerStore:
    """Layers below one directory: `<key>.tar.gz`, its digests in `<key>.json`, its packages beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, key: str, *, verify: bool = False) -> Made | None:
        """The layer with this key, or None when it was not made yet, or is not whole.

        A look at its size; with `verify` every byte is read.
        """
        try:
            row = json.loads(self._file(key, "json").read_bytes())
        except FileNotFoundError:
            return None
        file = self._file(key, "tar.gz")
        if not file.is_file() or file.stat().st_size != row["size"] or not self._file(key, "records.json").is_file():
            return None
        if verify and f"sha256:{_digest(file)}" != row["digest"]:
            return None
        return Made(Blob(row["digest"], row["diff_id"], row["size"], file), row["epoch"])

    def make(self, job: Job, *, root: Path, cache: Path, scratch: Path) -> Made:
        """Make the layer of `job` and keep it. It is complete with its last file, which appears last.

        `scratch` is on the same file system as the store; what is left there is of no use.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True) as folder:
            made = self._assemble(job, root, Cache(cache), Path(folder))
            if job.epoch is not None:
                made = replace(made, epoch=min(made.epoch, job.epoch))
            blob = tarball.write(made.tree, Path(folder, "layer"), epoch=made.epoch)
            records, row = Path(folder, "records"), Path(folder, "row")
            records.write_text(json.dumps(made.records), encoding="utf-8")
            facts = {"digest": blob.digest, "diff_id": blob.diff_id, "size": blob.size, "epoch": made.epoch}
            row.write_text(json.dumps(facts), encoding="utf-8")
            records.replace(self._file(job.key, "records.json"))
            blob.path.replace(self._file(job.key, "tar.gz"))
            row.replace(self._file(job.key, "json"))
        return Made(replace(blob, path=self._file(job.key, "tar.gz")), made.epoch)

    def _assemble(self, job: Job, root: Path, cache: Cache, scratch: Path) -> Assembled:
        state = self.path.parent
        (state / "python").mkdir(parents=True, exist_ok=True)
        if job.recipe.kind == "init":
            return Assembled(init_layer(root, job.platform, state / "go"), [], OUR_EPOCH)
        if job.recipe.kind == "database":
            rows = [row for key in job.below for row in json.loads(self._file(key, "records.json").read_bytes())]
            return dpkg.database(rows)
        builder = None
        if job.recipe.spec.source:
            builder = source.Builder.of(job.recipe.spec, job.inputs, job.native, cache.item, state)
        made = assemble(
            job.recipe.spec.without_files(),
            job.inputs,
            platform=job.platform,
            base=job.base,
            path_of=cache.item,
            scratch=scratch,
            native=_python(job, cache, state / "python", builder),
            built=builder.tree(job.platform) if builder else None,
        )
        epoch = made.epoch or OUR_EPOCH
        jdk = java.NativeJava(job.native, cache.item, state / "java")
        for path, jar in job.recipe.spec.jars.items():
            sources = {name: file.content for name, file in job.recipe.sources[path].items()}
            content = jdk.jar(sources, [java.content(made.tree, other) for other in jar.against])
            made.tree[path.lstrip("/")] = Entry("file", mtime=epoch, content=content)
        for path, file in job.recipe.files.items():
            mode = 0o755 if file.executable else 0o644
            made.tree[path.lstrip("/")] = Entry("file", mode, mtime=epoch, content=file.content)
        for path, folder in job.recipe.spec.dotnet.items():
            sources = csharp.sources(root / "build" / "bootstraps" / folder)
            compiler = csharp.NativeCsharp(
                csharp.sdk(job.recipe.spec, job.inputs), job.native, cache.item, state / "dotnet"
            )
            content = compiler.assembly(Path(path).stem, sources, csharp.framework(made.tree))
            made.tree[path.lstrip("/")] = Entry("file", mtime=epoch, content=content)
        for path, module in job.recipe.spec.go.items():
            program = compile_program(root / "build" / "bootstraps" / module, job.platform, state / "go")
            made.tree[path.lstrip("/")] = Entry("file", 0o755, mtime=epoch, content=program.read_bytes())
        return replace(made, epoch=epoch)

    def _file(self, key: str, kind: str) -> Path:
        return self.path / f"{key}.{kind}"


def _python(job: Job, cache: Cache, store: Path, builder: source.Builder | None) -> NativePython | None:
    """What compiles the layer's Python modules, where it has some."""
    if builder and builder.source.recipe == "cpython":
        return NativePython(builder.packages[native().arch], cache.item, store, built=builder.installed(native()))
    return NativePython(job.native, cache.item, store) if job.recipe.spec.python else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
