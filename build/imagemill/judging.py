"""Judging what is in dist: each image and platform against its plan, in containers where something runs them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagemill import __version__
from imagemill.conform import Completed, Finding, Layers, Subject, judge
from imagemill.dist import Artifact
from imagemill.engine import containers
from imagemill.errors import SelectionError
from imagemill.oci import Layout
from imagemill.plan import Image
from imagemill.platforms import Platform, find
from imagemill.render import labels
from imagemill.reports import behaviours
from imagemill.reports.summary import Judged, Report
from imagemill.workshop import Workshop, local_name


@dataclass(frozen=True)
class _Container:
    """Runs commands in one image, for checks that want to see it at work."""

    runner: containers.Runner
    name: str
    platform: Platform

    def __call__(
        self,
        argv: Sequence[str],
        *,
        entrypoint: Sequence[str] | None,
        env: Mapping[str, str],
        task_dir: Path | None,
        timeout: float,
    ) -> Completed:
        replaced, before = (entrypoint[0], list(entrypoint[1:])) if entrypoint else ("", [])
        done = self.runner.run(
            self.name,
            args=[*before, *argv],
            entrypoint=replaced,
            env=env,
            mounts=[containers.Mount(task_dir, "/var/task")] if task_dir else [],
            platform=self.platform,
            network="none",
            timeout=timeout,
        )
        return Completed(done.stdout, done.stderr, done.code)


def examine(
    workshop: Workshop,
    images: Sequence[Image],
    platforms: Sequence[str],
    runner: containers.Runner | None,
    *,
    time: int,
) -> Report:
    """Judge the built artifacts of these images; `time` is when, in seconds since 1970.

    Raises SelectionError for an image that was not built.

    Without a runner, or where it cannot run a platform, the checks that need one say that they were skipped.
    """
    record = workshop.dist.read()
    findings: list[Finding] = []
    judged: list[Judged] = []
    with Layers(workshop.paths.state / "scratch" / "conform") as layers:
        for image in images:
            artifact = record.get(image.name)
            if artifact is None:
                raise SelectionError(
                    f"{image.tags[-1]} is not built", f"run `make images IMAGES={image.tags[-1]}` first"
                )
            for name in sorted(artifact.platforms):
                if platforms and name not in platforms:
                    continue
                platform = find(name)
                workshop.progress.step(f"judging {image.tags[-1]} for {platform}")
                layout = workshop.dist.layout(image.name, platform.arch)
                subject = Subject(
                    image,
                    platform,
                    labels=labels(image),
                    epoch=_created(layout),
                    examples=workshop.paths.root / "examples",
                )
                container = _container(workshop, runner, artifact, platform)
                findings += judge(layout, subject, layers=layers, runner=container)
                judged.append(_judged(layout, image.name, name))
    return Report(
        tuple(findings),
        tuple(judged),
        __version__,
        time,
        runner.name if runner else "",
        behaviours.about(behaviours.read(workshop.dist.path / behaviours.FILE), judged),
    )


def _judged(layout: Path, image: str, platform: str) -> Judged:
    opened = Layout(layout)
    [entry] = opened.images()
    layers = opened.read_json(entry.digest)["layers"]
    return Judged(image, platform, entry.digest, sum(layer["size"] for layer in layers), len(layers))


def _container(
    workshop: Workshop, runner: containers.Runner | None, artifact: Artifact, platform: Platform
) -> _Container | None:
    if runner is None or runner.obstacle(platform):
        return None
    workshop.load(runner, [artifact], platform)
    return _Container(runner, local_name(artifact.tags[-1], platform), platform)


def _created(layout: Path) -> int:
    """When the image says that it was made, in seconds since 1970."""
    opened = Layout(layout)
    [entry] = opened.images()
    config = opened.read_json(opened.read_json(entry.digest)["config"]["digest"])
    return int(datetime.datetime.fromisoformat(config["created"]).timestamp())
