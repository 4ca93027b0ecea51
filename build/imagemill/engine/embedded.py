"""The embedded engine: executes RUN-free Dockerfiles itself and writes an OCI layout. No daemon, no root."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagemill.assemble import tarball
from imagemill.dockerfile import Instruction, parse
from imagemill.engine import Context
from imagemill.filetree import Entry, Tree
from imagemill.oci import Blob, Descriptor, write_image
from imagemill.platforms import Platform


@dataclass
class _State:
    """What the instructions executed so far have made."""

    config: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    layers: list[Blob] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def variables(self) -> Mapping[str, str]:
        """What `$NAME` stands for: ENV wins over ARG."""
        return {**self.arguments, **self.env}


def build(context: Context, platform: Platform, *, layout: Path, name: str, epoch: int, scratch: Path) -> Descriptor:
    """Execute `context.dockerfile` for one platform and write an OCI layout at `layout`.

    `epoch` (seconds since 1970) is the time of everything made here; `scratch` takes layers that COPY makes.
    Returns the descriptor of the image manifest. Raises DockerfileError for what is outside the subset.
    """
    created = datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = _State()
    for instruction in parse(context.dockerfile):
        before = len(state.layers)
        _execute(instruction, state, context, platform, epoch, scratch)
        if instruction.keyword != "FROM":
            row: dict[str, Any] = {"created": created, "created_by": _spelled(instruction)}
            if len(state.layers) == before:
                row["empty_layer"] = True
            state.history.append(row)
    config = {
        "architecture": platform.arch,
        "os": "linux",
        "created": created,
        "config": {**state.config, "Env": [f"{key}={value}" for key, value in state.env.items()]},
        "history": state.history,
    }
    return write_image(layout, config, state.layers, name)


def _execute(
    instruction: Instruction, state: _State, context: Context, platform: Platform, epoch: int, scratch: Path
) -> None:
    config = state.config
    match instruction.keyword:
        case "FROM":
            if instruction.rest.split()[:1] != ["scratch"]:
                raise instruction.fail("only FROM scratch is known", "build it with --engine docker")
        case "ARG":
            predefined = {"TARGETARCH": platform.arch, "TARGETOS": "linux", "TARGETPLATFORM": str(platform)}
            for key, value in instruction.pairs(state.variables):
                state.arguments[key] = context.arguments.get(key, predefined.get(key, value))
        case "ENV":
            state.env.update(instruction.pairs(state.variables))
        case "LABEL":
            config.setdefault("Labels", {}).update(instruction.pairs(state.variables))
        case "USER":
            config["User"] = _one(instruction, state)
        case "WORKDIR":
            config["WorkingDir"] = _one(instruction, state)
        case "STOPSIGNAL":
            config["StopSignal"] = _one(instruction, state)
        case "EXPOSE":
            ports = (port if "/" in port else f"{port}/tcp" for port in instruction.words(state.variables))
            config.setdefault("ExposedPorts", {}).update({port: {} for port in ports})
        case "VOLUME":
            config.setdefault("Volumes", {}).update({path: {} for path in instruction.words(state.variables)})
        case "ENTRYPOINT":
            config["Entrypoint"] = _exec_form(instruction)
            config.pop("Cmd", None)
        case "CMD":
            config["Cmd"] = _exec_form(instruction)
        case "ADD" | "COPY":
            state.layers.append(_layer(instruction, state, context, epoch, scratch))


def _layer(instruction: Instruction, state: _State, context: Context, epoch: int, scratch: Path) -> Blob:
    *sources, target = instruction.words(state.variables)
    if instruction.keyword == "ADD" and len(sources) == 1 and sources[0] in context.archives:
        if target != "/":
            raise instruction.fail(f"unpacks {sources[0]} into {target}", "layer archives go to /")
        return context.archives[sources[0]]
    tree: Tree = {}
    uid, gid = _owner(instruction)
    mode = instruction.flags.get("chmod")
    for source in sources:
        if source not in context.files:
            raise instruction.fail(f"{source!r} is not in the context", "name a file of the context")
        place = target + source.rpartition("/")[2] if target.endswith("/") else target
        if len(sources) > 1 and not target.endswith("/"):
            raise instruction.fail("several sources need a directory", f"write {target}/")
        tree[place.lstrip("/")] = Entry("file", int(mode, 8) if mode else 0o644, uid, gid, epoch, context.files[source])
    scratch.mkdir(parents=True, exist_ok=True)
    return tarball.write(tree, scratch / f"copy-{len(state.layers)}.tar.gz", epoch=epoch)


def _owner(instruction: Instruction) -> tuple[int, int]:
    owner = instruction.flags.get("chown", "0:0")
    user, _, group = owner.partition(":")
    if not user.isdigit() or (group and not group.isdigit()):
        raise instruction.fail(f"--chown={owner} is not numeric", "give numbers, as in --chown=993:990")
    return int(user), int(group or user)


def _one(instruction: Instruction, state: _State) -> str:
    words = instruction.words(state.variables)
    if len(words) != 1:
        raise instruction.fail("takes one argument", "give one, quoted where it has spaces")
    return words[0]


def _exec_form(instruction: Instruction) -> list[str]:
    array = instruction.array()
    if array is None:
        raise instruction.fail("is in shell form", 'write it as a JSON array: ["program", "argument"]')
    return array


def _spelled(instruction: Instruction) -> str:
    flags = "".join(f" --{key}={value}" for key, value in instruction.flags.items())
    return f"{instruction.keyword}{flags} {instruction.rest}"
