"""The stages of a Dockerfile: what each is based on, which one becomes the image, and global arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagemill.dockerfile import Instruction, parse
from imagemill.engine import Context
from imagemill.engine.embedded.expansion import expand
from imagemill.errors import DockerfileError
from imagemill.platforms import Platform, native

_NAME = re.compile(r"[a-z][a-z0-9_.-]*")


@dataclass(frozen=True)
class Stage:
    """One stage: where it stands, its name, the number of the stage it is based on (None: scratch), its steps."""

    number: int
    name: str
    base: int | None
    steps: Sequence[Instruction]


@dataclass(frozen=True)
class Stages:
    """The stages of a Dockerfile, the number of the one that becomes the image, and the values of global ARGs."""

    all: Sequence[Stage]
    target: int
    arguments: Mapping[str, str | None]

    def lineage(self, number: int) -> list[Stage]:
        """A stage and what it is based on, the lowest first."""
        found = [self.all[number]]
        while (base := found[0].base) is not None:
            found.insert(0, self.all[base])
        return found

    def earlier(self, step: Instruction, before: int) -> int:
        """The number of the stage that COPY --from names, which must come before stage `before`."""
        said = step.flags["from"]
        names = {stage.name: stage.number for stage in self.all if stage.name}
        number = int(said) if said.isdecimal() else names.get(said.lower())
        if number is None:
            raise step.fail(f"there is no stage {said!r}", "images are not copied from: name an earlier FROM ... AS")
        if number >= before:
            raise step.fail(f"stage {said} does not come before it", "name an earlier stage")
        return number


def read(context: Context, platform: Platform) -> Stages:
    """The stages of a context's Dockerfile. Raises DockerfileError for what is outside the subset."""
    given = context.arguments
    arguments: dict[str, str | None] = {key: given.get(key, value) for key, value in _predefined(platform).items()}
    found: list[Stage] = []
    steps: list[Instruction] = []
    names: dict[str, int] = {}
    for instruction in parse(context.dockerfile):
        if instruction.keyword == "FROM":
            words = instruction.words()
            name = _name(instruction, words)
            source = expand_in(instruction, words[0], _set(arguments))
            base = names.get(source)
            if base is None and source != "scratch":
                other = "build what is FROM an image with --engine docker or --engine buildah"
                raise instruction.fail(f"{source!r} is neither scratch nor an earlier stage", other)
            steps = []
            found.append(Stage(len(found), name, base, steps))
            if name:
                names[name] = found[-1].number
        elif found:
            steps.append(instruction)
        else:
            for key, value in instruction.pairs():
                default = None if value is None else expand_in(instruction, value, _set(arguments))
                arguments[key] = given.get(key, default)
    target = names.get(context.target.lower()) if context.target else len(found) - 1
    if target is None:
        raise DockerfileError(f"Dockerfile: there is no stage {context.target!r}", "name one that FROM ... AS names")
    return Stages(found, target, arguments)


def expand_in(instruction: Instruction, text: str, variables: Mapping[str, str]) -> str:
    """`text` with its quotes removed and variables replaced; an error names the instruction."""
    try:
        return expand(text, variables, instruction.escape)
    except ValueError as error:
        raise instruction.fail(str(error), "see the Dockerfile reference on variables and quotes") from None


def _name(instruction: Instruction, words: Sequence[str]) -> str:
    if len(words) == 1:
        return ""
    name = words[2].lower() if len(words) == 3 and words[1].lower() == "as" else ""
    if not _NAME.fullmatch(name):
        raise instruction.fail(f"{instruction.rest!r} is not known", "write FROM base, or FROM base AS name")
    return name


def _set(arguments: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value or "" for key, value in arguments.items()}


def _predefined(platform: Platform) -> dict[str, str]:
    """The arguments that BuildKit defines. https://docs.docker.com/reference/dockerfile/ (predefined ARGs)"""
    here = native()
    return {
        "TARGETPLATFORM": str(platform),
        "TARGETOS": "linux",
        "TARGETARCH": platform.arch,
        "TARGETVARIANT": "",
        "BUILDPLATFORM": str(here),
        "BUILDOS": "linux",
        "BUILDARCH": here.arch,
        "BUILDVARIANT": "",
    }
