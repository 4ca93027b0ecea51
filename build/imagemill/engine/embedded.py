"""The embedded engine: executes RUN-free Dockerfiles itself and writes an OCI layout. No daemon, no root."""

from __future__ import annotations

import datetime
import posixpath
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagemill.assemble import tarball
from imagemill.dockerfile import Instruction, Stage, earlier, parse, stages
from imagemill.engine import Context
from imagemill.engine.copying import CopyError, How, Layer, copy, sources, unpack, working_directory
from imagemill.engine.dockerignore import visible
from imagemill.engine.unpacking import Unpacker
from imagemill.filetree import Tree
from imagemill.merged import MergedTree
from imagemill.oci import Blob, Descriptor, write_image
from imagemill.platforms import Platform, native

_FLAGS = {"COPY": {"from", "chown", "chmod", "link"}, "ADD": {"chown", "chmod", "link"}, "FROM": {"platform"}}
_REMOTE = ("http://", "https://", "git@", "git://")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class _State:
    """What the instructions of a stage executed so far have made; a layer is a blob, or a tree still to be written."""

    config: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    scope: dict[str, str] = field(default_factory=dict)
    """What `$NAME` stands for: the last ARG or ENV of that name."""
    layers: list[Blob | Tree] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    tree: MergedTree | None = None
    commanded: bool = False
    """There was a CMD in this very stage, which an ENTRYPOINT after it leaves alone."""

    def child(self) -> _State:
        """Where a stage begins that is built on this one."""
        return _State(
            deepcopy(self.config),
            dict(self.env),
            {**self.scope, **self.env},
            list(self.layers),
            list(self.history),
        )


def build(context: Context, platform: Platform, *, layout: Path, name: str, epoch: int, scratch: Path) -> Descriptor:
    """Execute `context.dockerfile` for one platform and write an OCI layout at `layout`.

    `epoch` (seconds since 1970) is the time of everything made here; `scratch` takes layers that COPY makes.
    Returns the descriptor of the image manifest. Raises DockerfileError for what is outside the subset.
    """
    with Unpacker(scratch) as unpacker:
        state = _Builder(context, platform, epoch, unpacker).final()
        created = datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        config = {
            "architecture": platform.arch,
            "os": "linux",
            "created": created,
            "config": {**state.config, "Env": [f"{key}={value}" for key, value in state.env.items()]},
            "history": [{"created": created, **row} for row in state.history],
        }
        blobs = []
        for number, one in enumerate(state.layers):
            if not isinstance(one, Blob):
                one = tarball.write(one, scratch / f"copy-{number}.tar.gz", epoch=epoch)
            blobs.append(one)
        return write_image(layout, config, blobs, name)


class _Builder:
    def __init__(self, context: Context, platform: Platform, epoch: int, unpacker: Unpacker) -> None:
        self._context, self._platform, self._epoch = context, platform, epoch
        self._unpacker = unpacker
        before, self._stages = stages(parse(context.dockerfile))
        self._globals = self._predefined()
        for instruction in before:
            for key, default in instruction.arguments():
                value = context.arguments.get(key)
                if value is None and default is not None:
                    value = instruction.expand(default, self._globals)
                if value is not None:
                    self._globals[key] = value
        self._done: dict[int, _State] = {}
        self._files: MergedTree | None = None

    def final(self) -> _State:
        """The last stage, or the one that the context names, and what it needs."""
        if not self._context.target:
            return self._stage(self._stages[-1])
        wanted = earlier(self._stages, self._context.target, len(self._stages))
        if wanted is None:
            raise self._stages[-1].origin.fail(f"no stage is called {self._context.target!r}", "name one of them")
        return self._stage(wanted)

    def _predefined(self) -> dict[str, str]:
        here = native()
        return {
            "TARGETPLATFORM": str(self._platform),
            "TARGETOS": "linux",
            "TARGETARCH": self._platform.arch,
            "BUILDPLATFORM": str(here),
            "BUILDOS": "linux",
            "BUILDARCH": here.arch,
            "TARGETVARIANT": "",
            "BUILDVARIANT": "",
        }

    def _stage(self, stage: Stage) -> _State:
        if stage.number not in self._done:
            self._done[stage.number] = state = self._begin(stage)
            for instruction in stage.instructions:
                self._step(instruction, state, stage)
        return self._done[stage.number]

    def _begin(self, stage: Stage) -> _State:
        _check_flags(stage.origin)
        image = stage.origin.expand(stage.origin.rest.split()[0], self._globals)
        if image == "scratch":
            return _State(env={"PATH": _PATH}, scope={"PATH": _PATH})
        below = earlier(self._stages, image, stage.number)
        if below is None:
            remedy = "build it with --engine docker"
            raise stage.origin.fail(f"{image!r}: only FROM scratch and earlier stages are known", remedy)
        return self._stage(below).child()

    def _step(self, instruction: Instruction, state: _State, stage: Stage) -> None:
        before = len(state.layers)
        _check_flags(instruction)
        if instruction.keyword in ("ADD", "COPY", "WORKDIR"):
            try:
                self._change_files(instruction, state, stage)
            except CopyError as error:
                raise instruction.fail(str(error), "correct the path, or the context") from None
        elif instruction.keyword == "ARG":
            self._argument(instruction, state)
        else:
            _configure(instruction, state)
        row: dict[str, Any] = {"created_by": instruction.spelled}
        if len(state.layers) == before:
            row["empty_layer"] = True
        state.history.append(row)

    def _argument(self, instruction: Instruction, state: _State) -> None:
        for key, default in instruction.arguments():
            value = self._context.arguments.get(key)
            if value is None:
                value = self._globals.get(key) if default is None else instruction.expand(default, state.scope)
            if value is not None:
                state.scope[key] = value

    def _change_files(self, instruction: Instruction, state: _State, stage: Stage) -> None:
        if instruction.keyword == "WORKDIR":
            path = posixpath.normpath(
                posixpath.join("/", state.config.get("WorkingDir", "/"), instruction.one(state.scope))
            )
            state.config["WorkingDir"] = path
            if path not in self._context.directories:
                user = state.config.get("User", "")
                self._layer(
                    state, lambda layer: working_directory(layer, path, lambda: _owner(instruction, layer, user))
                )
            return
        *words, target = instruction.words(state.scope)
        if not words:
            raise instruction.fail("needs a source and a target", "name both")
        if instruction.keyword == "ADD" and len(words) == 1 and words[0] in self._context.archives:
            if target != "/":
                raise instruction.fail(f"unpacks {words[0]} into {target}", "layer archives go to /")
            state.layers.append(self._context.archives[words[0]])
            state.tree = None
            return
        if len(words) > 1 and not target.endswith("/"):
            raise instruction.fail("several sources need a directory", f"write {target}/")
        place = posixpath.normpath(posixpath.join("/", state.config.get("WorkingDir", "/"), target))
        if target.endswith(("/", "/.")) or target == ".":
            place = place.rstrip("/") + "/"
        self._layer(state, lambda layer: self._copy(instruction, layer, state, words, place, stage))

    def _layer(self, state: _State, change: Callable[[Layer], None]) -> None:
        """Add a layer with a change to the stage's files, if it changes any."""
        state.tree = state.tree or self._merged(state)
        layer = Layer(state.tree, self._epoch)
        change(layer)
        if entries := layer.entries():
            state.layers.append(entries)

    def _merged(self, state: _State) -> MergedTree:
        tree = MergedTree()
        for layer in state.layers:
            tree.apply(list(layer.items()) if isinstance(layer, dict) else self._unpacker.entries(layer.path))
        return tree

    def _copy(
        self, instruction: Instruction, layer: Layer, state: _State, words: list[str], target: str, stage: Stage
    ) -> None:
        if instruction.keyword == "ADD" and any(word.startswith(_REMOTE) for word in words):
            raise instruction.fail("downloads nothing", "put the file into the context")
        how = _how(instruction, layer, state.scope)
        source = self._source(instruction, stage)
        for key in sources(source, words):
            end = source.resolve(key)
            if instruction.keyword == "ADD" and end and source.entries[end].kind == "file":
                entries = self._unpacker.archive(source.entries[end])
                if entries is not None:
                    unpack(layer, iter(entries), target, how)
                    continue
            copy(layer, source, [key], target, how)

    def _source(self, instruction: Instruction, stage: Stage) -> MergedTree:
        name = instruction.flags.get("from")
        if name is None:
            if self._files is None:
                self._files = MergedTree()
                self._files.apply(list(visible(self._context.tree).items()))
            return self._files
        other = earlier(self._stages, name, stage.number)
        if other is None:
            raise instruction.fail(f"--from={name}: no earlier stage is called so", "name a stage, or its number")
        state = self._stage(other)
        state.tree = state.tree or self._merged(state)
        return state.tree


def _configure(instruction: Instruction, state: _State) -> None:
    config = state.config
    match instruction.keyword:
        case "ENV":
            pairs = dict(instruction.pairs(state.scope))
            state.env.update(pairs)
            state.scope.update(pairs)
        case "LABEL":
            config.setdefault("Labels", {}).update(instruction.pairs(state.scope))
        case "USER":
            if " " in (user := instruction.one(state.scope)):
                raise instruction.fail("takes one argument", "give one, quoted where it has spaces")
            config["User"] = user
        case "STOPSIGNAL":
            config["StopSignal"] = instruction.one(state.scope)
        case "EXPOSE":
            words = filter(None, instruction.words(state.scope))
            ports = (port if "/" in port else f"{port}/tcp" for port in words)
            config.setdefault("ExposedPorts", {}).update({port: {} for port in ports})
        case "VOLUME":
            paths = instruction.words(state.scope)
            if "" in paths:
                raise instruction.fail("names an empty path", "give a path, or set the variable")
            config.setdefault("Volumes", {}).update({path: {} for path in paths})
        case "ENTRYPOINT":
            config["Entrypoint"] = _command(instruction)
            if not state.commanded:
                config.pop("Cmd", None)
        case "CMD":
            config["Cmd"] = _command(instruction)
            state.commanded = True


def _check_flags(instruction: Instruction) -> None:
    for flag in instruction.flags.keys() - _FLAGS.get(instruction.keyword, set()):
        raise instruction.fail(f"--{flag} is not known here", "build it with --engine docker")


def _how(instruction: Instruction, layer: Layer, variables: Mapping[str, str]) -> How:
    mode = instruction.flags.get("chmod")
    if mode is not None and (not mode.isdecimal() or set(mode) & set("89") or int(mode, 8) > 0o7777):
        raise instruction.fail(f"--chmod={mode} is not octal", "give a number, as in --chmod=0755")
    word = instruction.expand(instruction.flags.get("chown", ""), variables)
    return How(_owner(instruction, layer, word) if word else None, None if mode is None else int(mode, 8))


def _owner(instruction: Instruction, layer: Layer, word: str) -> tuple[int, int]:
    """User and group of `user:group`, numbers or names; a user alone brings its own group."""
    user, _, group = word.partition(":")
    uid, gid = _account(instruction, layer, "passwd", user) if user else (0, 0)
    return uid, _account(instruction, layer, "group", group)[0] if group else gid


def _account(instruction: Instruction, layer: Layer, table: str, name: str) -> tuple[int, int]:
    """The two numbers of a user (its own and its group's) or a group, by number or by name in /etc."""
    if name.isdecimal():
        return int(name), int(name)
    key = layer.tree.resolve(f"etc/{table}")
    text = layer.tree.entries[key].read().decode(errors="replace") if key else ""
    for line in text.splitlines():
        words = line.split(":")
        if words[0] == name and len(words) > 3 and words[2].isdecimal():
            return int(words[2]), int(words[3]) if words[3].isdecimal() else 0
    raise instruction.fail(f"/etc/{table} of the image so far has no {name!r}", "give numbers, as in 993:990")


def _command(instruction: Instruction) -> list[str]:
    """A command: a JSON array as it is, anything else for the shell."""
    array = instruction.array()
    return ["/bin/sh", "-c", instruction.rest] if array is None else array
