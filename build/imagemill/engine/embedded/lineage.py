"""The instructions that an image comes from, to tell what another engine has made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imagemill.dockerfile import Instruction
from imagemill.engine import Context
from imagemill.engine.embedded import stages
from imagemill.engine.embedded.settings import Settings
from imagemill.errors import DockerfileError
from imagemill.oci import Blob
from imagemill.platforms import Platform


@dataclass(frozen=True)
class Step:
    """One instruction, and the archive that is its layer, if one is."""

    instruction: Instruction
    archive: Blob | None = None


def steps(context: Context, platform: Platform) -> list[Step]:
    """What the image of a context is made of, in order; nothing for what is outside the subset."""
    try:
        return list(_steps(context, stages.read(context, platform)))
    except DockerfileError:
        return []


def whole_layer(context: Context, step: Instruction, sources: Sequence[str], target: str) -> Blob | None:
    """The archive that is a layer as it is: added to the root, it need not even be read."""
    if step.keyword != "ADD" or len(sources) != 1 or target.strip("/"):
        return None
    return context.archives.get(sources[0].removeprefix("/"))


def _steps(context: Context, plan: stages.Stages) -> Iterator[Step]:
    settings = Settings()
    for stage in plan.lineage(plan.target):
        settings = settings.branch()
        for step in stage.steps:
            archive = None
            if step.keyword == "ARG":
                settings.argue(step, context.arguments, plan.arguments)
            elif step.keyword in ("ADD", "COPY"):
                *sources, target = [settings.expand(step, word) for word in step.words()]
                archive = whole_layer(context, step, sources, settings.join(target))
            else:
                settings.apply(step)
            yield Step(step, archive)
