"""The embedded engine: executes RUN-free Dockerfiles itself and writes an OCI layout. No daemon, no root.

It does what BuildKit does, but for what it refuses with a DockerfileError where BuildKit guesses or goes wrong:
flags that it does not know; a symbolic or variable --chmod, which BuildKit 0.8 ignores; a user or group that the
image does not have, which becomes root there; several sources for a target that is no directory; COPY --from a
stage that comes later, or an image; named pipes. SHELL, HEALTHCHECK and ONBUILD have no place in an OCI
configuration and are refused like RUN. An archive that is compressed with zstd is unpacked, as from Docker 23 on.
"""

from __future__ import annotations

import datetime
import mmap
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imagemill.assemble import tarball
from imagemill.dockerfile import Instruction
from imagemill.engine import Context
from imagemill.engine.embedded import stages
from imagemill.engine.embedded.copying import Copy, Owner
from imagemill.engine.embedded.ground import Ground
from imagemill.engine.embedded.lineage import whole_layer
from imagemill.engine.embedded.owners import owner
from imagemill.engine.embedded.settings import Settings
from imagemill.engine.embedded.unpacking import unpacked
from imagemill.filetree import Entry
from imagemill.merged import Walked
from imagemill.oci import Blob, Descriptor, write_image
from imagemill.platforms import Platform
from imagemill.spool import spool
from imagemill.tarwalk import walk


@dataclass
class _Made:
    """What the steps of a stage have made: settings, layers, history, and its files as far as somebody asked."""

    settings: Settings = field(default_factory=Settings)
    layers: list[Blob] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    ground: Ground | None = None
    unread: list[Blob] = field(default_factory=list)
    """Layers that `ground` does not have yet: most images are made without looking into theirs."""


def build(context: Context, platform: Platform, *, layout: Path, name: str, epoch: int, scratch: Path) -> Descriptor:
    """Execute `context.dockerfile` for one platform and write an OCI layout at `layout`.

    `epoch` (seconds since 1970) is the time of everything made here; `scratch` takes files while it runs. Returns
    the descriptor of the image manifest. Raises DockerfileError for what is outside the subset.
    """
    created = datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    context = replace(context, arguments={"SOURCE_DATE_EPOCH": str(epoch), **context.arguments})
    plan = stages.read(context, platform)
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        made = _Build(context, plan, epoch, Path(folder), created).stage(plan.target)
        config = {
            "architecture": platform.arch,
            "os": "linux",
            "created": created,
            "config": made.settings.config(),
            "history": made.history,
        }
        return write_image(layout, config, made.layers, name)


class _Build:
    """One run over the stages that the target needs; each is made once."""

    def __init__(self, context: Context, plan: stages.Stages, epoch: int, folder: Path, created: str) -> None:
        self._context = context
        self._plan = plan
        self._epoch = epoch
        self._folder = folder
        self._created = created
        self._made: dict[int, _Made] = {}
        self._files: Ground | None = None
        self._number = 0

    def stage(self, number: int) -> _Made:
        """What a stage makes."""
        if number not in self._made:
            stage = self._plan.all[number]
            made = _Made() if stage.base is None else _branch(self.stage(stage.base))
            for step in stage.steps:
                before = len(made.layers)
                self._execute(step, made, number)
                row: dict[str, Any] = {"created": self._created, "created_by": step.spelled}
                made.history.append(row if len(made.layers) > before else {**row, "empty_layer": True})
            self._made[number] = made
        return self._made[number]

    def _execute(self, step: Instruction, made: _Made, number: int) -> None:
        if step.keyword == "ARG":
            made.settings.argue(step, self._context.arguments, self._plan.arguments)
        elif step.keyword in ("ADD", "COPY"):
            try:
                self._copy(step, made, number)
            except (OSError, ValueError) as error:
                raise step.fail(str(error), "see what the context and the stages before it hold") from None
        else:
            made.settings.apply(step)
            if step.keyword == "WORKDIR":
                self._enter(step, made)

    def _enter(self, step: Instruction, made: _Made) -> None:
        """WORKDIR makes its directory where it is missing, as the user that is set."""
        if made.settings.workdir in self._context.directories:
            return
        ground = self._ground(made)
        try:
            key = ground.locate(made.settings.workdir)
            if ground.kind(key) != "dir":
                ground.make_directories(key, owner(step, made.settings.user, ground) or (0, 0))
        except OSError as error:
            raise step.fail(str(error), "name a directory") from None
        self._finish(made)

    def _copy(self, step: Instruction, made: _Made, number: int) -> None:
        *sources, said = [made.settings.expand(step, word) for word in step.words()]
        if not sources:
            raise step.fail("has no target", "give a source and a target")
        target = made.settings.join(said)
        if len(sources) > 1 and not target.endswith("/"):
            raise step.fail("several sources need a directory", f"write {said}/")
        if step.keyword == "ADD" and any(word.startswith(("http://", "https://")) for word in sources):
            raise step.fail("downloads nothing", "put the file into the context, or build it with --engine docker")
        chown, mode = self._chown(step, made), _mode(step)
        if "from" in step.flags:
            source = self._ground(self.stage(self._plan.earlier(step, number)))
        else:
            source = self._context_files()
        blob = whole_layer(self._context, step, sources, target)
        if blob is not None and sources[0].removeprefix("/") in source.entries:
            made.layers.append(blob)
            made.unread.append(blob)
            return
        adding = step.keyword == "ADD"
        Copy(source, self._ground(made), chown, mode, self._unpacked if adding else None).run(sources, target)
        self._finish(made)

    def _chown(self, step: Instruction, made: _Made) -> Owner | None:
        said = made.settings.expand(step, step.flags.get("chown", ""))
        numeric = all(part.isdecimal() or part == "root" for part in said.split(":"))
        return owner(step, said, None if numeric else self._ground(made))

    def _context_files(self) -> Ground:
        if self._files is None:
            self._files = Ground.of(self._context.visible(self._epoch), self._epoch)
        return self._files

    def _ground(self, made: _Made) -> Ground:
        """The files of a stage; layers not looked into yet are read now."""
        ground = made.ground = made.ground or Ground(self._epoch)
        for blob in made.unread:
            path = spool(blob.path, blob.digest, self._folder)
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                ground.apply(tuple(walk(data, path)))
        made.unread.clear()
        return ground

    def _finish(self, made: _Made) -> None:
        """Make a layer of what changed, if anything did."""
        changed = self._ground(made).take()
        if changed:
            made.layers.append(tarball.write(changed, self._new_file("layer"), epoch=self._epoch))

    def _unpacked(self, entry: Entry) -> Walked | None:
        return unpacked(entry, self._new_file("archive"))

    def _new_file(self, what: str) -> Path:
        self._number += 1
        return self._folder / f"{what}-{self._number}"


def _branch(made: _Made) -> _Made:
    ground = made.ground.branch() if made.ground else None
    return _Made(made.settings.branch(), list(made.layers), list(made.history), ground, list(made.unread))


def _mode(step: Instruction) -> int | None:
    said = step.flags.get("chmod")
    if said is None:
        return None
    if not said or set(said) - set("01234567"):
        raise step.fail(f"--chmod={said} is not octal", "give a number, as in --chmod=0755")
    return int(said, 8)
