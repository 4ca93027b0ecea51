"""Judging what is in dist: each image and platform against its plan, in containers where something runs them."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imagemill import __version__, conform, lock
from imagemill.conform import Completed, Finding, Layers, Subject, judge
from imagemill.dist import Artifact
from imagemill.engine import containers
from imagemill.errors import LockError, SelectionError
from imagemill.factory import Paths
from imagemill.fingerprint import database_sets
from imagemill.oci import Layout
from imagemill.plan import Image
from imagemill.platforms import Platform, find
from imagemill.render import labels
from imagemill.report import Judged, Report
from imagemill.scratch import scratch
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
    workshop: Workshop, images: Sequence[Image], platforms: Sequence[str], runner: containers.Runner | None
) -> Report:
    """Judge the built artifacts of these images. Raises SelectionError for an image that was not built.

    Without a runner, or where it cannot run a platform, the checks that need one say that they were skipped.
    """
    record = workshop.dist.read()
    findings: list[Finding] = []
    judged: list[Judged] = []
    now = int(time.time())
    with opened_layers(workshop.paths) as layers:
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
                    packages=_locked(workshop, image, platform),
                    now=now,
                )
                container = _container(workshop, runner, artifact, platform)
                findings += judge(layout, subject, layers=layers, runner=container)
                judged.append(Judged(image.name, name, artifact.platforms[name].digest))
    return Report(tuple(findings), tuple(judged), __version__)


def container(runner: containers.Runner, name: str, platform: Platform) -> conform.Runner:
    """Runs commands in the image that an engine has under this name."""
    return _Container(runner, name, platform)


@contextmanager
def opened_layers(paths: Paths) -> Iterator[Layers]:
    """Layers whose facts are kept between runs; their tars are there until the block ends."""
    with scratch(paths.state) as folder, Layers(folder, paths.cache / "layer-facts") as layers:
        yield layers


def _locked(workshop: Workshop, image: Image, platform: Platform) -> Mapping[str, str] | None:
    """The packages that the lock has for an image; None where there is no lock, or it lacks the image."""
    try:
        pins = lock.read(workshop.paths.root / "runtimes" / "lock" / f"{image.base.name}.json")
        sets = [pins.inputs(name, platform.arch) for name in database_sets(image)]
    except LockError:
        return None
    return {one.name: one.version for inputs in sets for one in inputs.debian}


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
