"""A `docker-bake.json` and the contexts it names: all images built by `docker buildx bake`, on whatever builders.

What images have in common is built once: where the Dockerfiles of two images begin with the same layers, these become
a target of their own, which both continue (`FROM layers`, with a named context). So each archive goes to a builder
once, and a builder unpacks it once. The layers, and what follows them, are those of the rendered Dockerfiles.

Source of the format: Docker's Bake file reference. Its strings are templates, in JSON too.
"""

from __future__ import annotations

import datetime
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagemill.contexts import Ready, link
from imagemill.dockerfile import parse
from imagemill.engine.placing import place
from imagemill.errors import RenderError
from imagemill.labels import labels
from imagemill.oci import about
from imagemill.plan import VARIANTS

FILE = "docker-bake.json"
_ARCHIVE = re.compile(r"^([a-z]+)-\$\{TARGETARCH\}\.tar /$")
_Identity = tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """One target: what it adds to `parent` (none: to nothing), and the image that it is, if it is one.

    `of` is an image that has its layers; `layers` are the names of those that it adds.
    """

    name: str
    parent: str
    dockerfile: str
    layers: tuple[str, ...]
    of: Ready
    is_image: bool


@dataclass(frozen=True)
class _Split:
    """A Dockerfile in three: its comments, the layers that it begins with, and the rest."""

    head: str
    layers: tuple[str, ...]
    rest: str


def targets(images: Sequence[Ready]) -> list[Target]:
    """The targets that these images need, parents first. RenderError when two would have one name."""
    splits = [_split(one.rendered.dockerfile) for one in images]
    paths = [tuple(_identity(one, name) for name in split.layers) for one, split in zip(images, splits, strict=True)]
    made: dict[tuple[_Identity, ...], Target] = {}
    for one, split, path in zip(images, splits, paths, strict=True):
        for end in range(1, len(path) + 1):
            if path[:end] not in made and _ends_here(path[:end], paths):
                below, parent = _below(path[:end], made)
                added = split.layers[below:end]
                sets = [recipe.set for recipe in one.rendered.recipes if recipe.name in added and recipe.set]
                name = _name(f"layers-{(sets or added)[-1]}")
                if any(target.name == name for target in made.values()):  # of images for other platforms
                    name = "-".join((name, *(platform.rpartition("/")[2] for platform in sorted(one.contexts))))
                made[path[:end]] = Target(name, parent, _dockerfile("", parent, added, ""), added, one, False)
    found = list(made.values())
    for one, split, path in zip(images, splits, paths, strict=True):
        below, parent = _below(path, made)
        added = split.layers[below:]
        text = _dockerfile(split.head, parent, added, split.rest)
        found.append(Target(_name(one.image.name), parent, text, added, one, True))
    names = [target.name for target in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise RenderError(f"bake targets with one name: {', '.join(sorted(twice))}", "rename a runtime or a base")
    return found


def document(
    found: Sequence[Target], *, repository: str, cache: str = "", attestations: Sequence[str] = ()
) -> dict[str, Any]:
    """The bake file for these targets, contexts below the folder that bake runs in.

    `repository` is what tags are put behind, and can be set anew by the variable REPOSITORY. `cache` is a repository
    in a registry for what builders have made, one tag a target; `attestations` are values of bake's `attest`.
    """
    rows: dict[str, Any] = {}
    for target in found:
        one = target.of
        row: dict[str, Any] = {
            "context": target.name,
            "platforms": sorted(one.contexts),
            "args": {"SOURCE_DATE_EPOCH": str(one.epoch)},
        }
        if target.parent:
            row["contexts"] = {"layers": f"target:{target.parent}"}
        if target.is_image:
            row |= _image(one, attestations)
        if cache:
            row["cache-from"] = [f"type=registry,ref={_literal(cache)}:{target.name}"]
            row["cache-to"] = [f"type=registry,ref={_literal(cache)}:{target.name},mode=max,image-manifest=true"]
        rows[target.name] = row
    return {"variable": {"REPOSITORY": {"default": _literal(repository)}}, "group": _groups(found), "target": rows}


def write(
    images: Sequence[Ready], out: Path, *, repository: str, cache: str = "", attestations: Sequence[str] = ()
) -> Path:
    """Write the bake file and a context for each target to `out`. Returns the file.

    What an earlier call wrote for targets that are no more stays; contexts of the same name are replaced.
    """
    found = targets(images)
    for target in found:
        folder = out / target.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(target.dockerfile, encoding="utf-8")
        for name, context in target.of.contexts.items():
            wanted = {_file(layer, name) for layer in target.layers}
            link(folder, {key: blob for key, blob in context.archives.items() if key in wanted})
            if target.is_image:
                place(context.files, folder)
    text = json.dumps(
        document(found, repository=repository, cache=cache, attestations=attestations), indent=2, ensure_ascii=False
    )
    (out / FILE).write_text(f"{text}\n", encoding="utf-8")
    return out / FILE


def _image(one: Ready, attestations: Sequence[str]) -> dict[str, Any]:
    """What a target that is an image has, and one of mere layers has not."""
    said = labels(one.image)
    created = datetime.datetime.fromtimestamp(one.epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    notes = about({"config": {"Labels": said}, "created": created})
    # an entry each, since buildx up to 0.13 takes "index,manifest:" for a part of the name; one platform has no index
    levels = ("index", "manifest") if len(one.contexts) > 1 else ("manifest",)
    arguments = next(iter(one.contexts.values())).arguments
    return {
        "tags": [f"${{REPOSITORY}}:{tag}" for tag in one.image.tags],
        "args": {"SOURCE_DATE_EPOCH": str(one.epoch), **{key: _literal(value) for key, value in arguments.items()}},
        "labels": {key: _literal(value) for key, value in said.items()},
        "annotations": [f"{level}:{key}={_literal(value)}" for level in levels for key, value in notes.items()],
        # said either way: builders attest on their own otherwise, with times that no two builds share
        "attest": list(attestations) or ["type=provenance,disabled=true"],
    }


def _groups(found: Sequence[Target]) -> dict[str, Any]:
    images = [target for target in found if target.is_image]
    groups = {"default": [target.name for target in images]}
    for variant in VARIANTS:
        groups[variant] = [target.name for target in images if target.of.image.variant == variant]
    for target in images:
        groups.setdefault(_name(target.of.image.runtime.name), []).append(target.name)
    return {name: {"targets": members} for name, members in groups.items() if members}


def _split(dockerfile: str) -> _Split:
    """The layers that a rendered Dockerfile begins with; none when it does not begin with layers on nothing."""
    lines = dockerfile.splitlines(keepends=True)
    first, *others = parse(dockerfile)
    if (first.keyword, first.rest) != ("FROM", "scratch"):
        raise RenderError("a Dockerfile does not begin with FROM scratch", "build it with --engine docker")
    layers: list[str] = []
    end = first.line
    for instruction in others:
        archive = _ARCHIVE.match(instruction.rest) if instruction.keyword == "ADD" and not instruction.flags else None
        if archive:
            layers.append(archive[1])
        elif (instruction.keyword, instruction.rest) != ("ARG", "TARGETARCH"):
            break
        end = instruction.line
    return _Split("".join(lines[: first.line - 1]), tuple(layers), "".join(lines[end:]))


def _dockerfile(head: str, parent: str, layers: Sequence[str], rest: str) -> str:
    adds = "".join(f"ADD {name}-${{TARGETARCH}}.tar /\n" for name in layers)
    return f"{head}FROM {'layers' if parent else 'scratch'}\nARG TARGETARCH\n{adds}{rest}"


def _identity(one: Ready, layer: str) -> _Identity:
    """What makes two layers one: the same bytes for the same platforms."""
    return tuple(f"{name} {context.archives[_file(layer, name)].diff_id}" for name, context in one.contexts.items())


def _ends_here(path: tuple[_Identity, ...], paths: Sequence[tuple[_Identity, ...]]) -> bool:
    """Whether several images begin so, and do not all go on with the same layer."""
    going_on = [other[len(path) : len(path) + 1] for other in paths if other[: len(path)] == path]
    return len(going_on) > 1 and (len(set(going_on)) > 1 or going_on[0] == ())


def _below(path: tuple[_Identity, ...], made: Mapping[tuple[_Identity, ...], Target]) -> tuple[int, str]:
    """The longest beginning of `path` that has a target: how many layers it has, and the target's name."""
    return next(((end, made[path[:end]].name) for end in range(len(path), 0, -1) if path[:end] in made), (0, ""))


def _file(layer: str, platform: str) -> str:
    return f"{layer}-{platform.partition('/')[2]}.tar"


def _name(text: str) -> str:
    """A name that bake takes: letters, digits, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", text)


def _literal(text: str) -> str:
    """A string that bake takes for what it is, and not for a template."""
    return text.replace("${", "$${").replace("%{", "%%{")
