"""Built images in a local engine: under which names, and getting them there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagemill.dist import Artifact, Dist
from imagemill.platforms import Platform, native
from imagemill.progress import Progress

if TYPE_CHECKING:
    from imagemill.engine.containers import Runner

REPOSITORY = "imagemill/lambda"
"""The name that images have in a local engine, before the colon."""


def load(
    dist: Dist, runner: Runner, artifacts: Sequence[Artifact], progress: Progress, platform: Platform | None = None
) -> list[str]:
    """Have these artifacts of `dist` in the local engine. Returns the names that were not there before."""
    from imagemill.engine.containers import identities

    platform = platform or native()
    wanted = {}
    for artifact in artifacts:
        if str(platform) in artifact.platforms:
            layout = dist.layout(artifact.name, platform.arch)
            known = identities(layout)
            for tag in artifact.tags:
                for name in {local_name(tag, platform), f"{REPOSITORY}:{tag}-{platform.arch}"}:
                    wanted[name] = (layout, known)
    there = runner.has({name: digests for name, (_, digests) in wanted.items()})
    by_layout: dict[Path, list[str]] = {}
    for name, (layout, _) in wanted.items():
        if name not in there:
            by_layout.setdefault(layout, []).append(name)
    if by_layout:
        names = ", ".join(names[-1] for names in by_layout.values())
        progress.step(f"loading {names} into {runner.name}")
        runner.load(by_layout)
        runner.tidy()
    return sorted(name for names in by_layout.values() for name in names)


def local_name(tag: str, platform: Platform) -> str:
    """What an image is called in a local engine: the plain tag is this machine's own architecture."""
    suffix = "" if platform == native() else f"-{platform.arch}"
    return f"{REPOSITORY}:{tag}{suffix}"
