"""Judging what is in dist: each image and platform against its plan, in containers where something runs them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from imagemill import __version__, conform, layerfacts, lock
from imagemill.conform import Completed, Finding, Layers, Subject, judge
from imagemill.crew import Crew
from imagemill.dist import Artifact, check_blobs
from imagemill.engine import containers
from imagemill.errors import LockError, SelectionError
from imagemill.factory import Paths
from imagemill.fingerprint import database_sets
from imagemill.oci import Layout
from imagemill.plan import Image
from imagemill.platforms import Platform, find
from imagemill.recorder import Real
from imagemill.render import labels
from imagemill.reports import behaviours
from imagemill.reports.summary import Judged, Report
from imagemill.scratch import scratch
from imagemill.verdicts import Verdicts
from imagemill.workshop import Workshop, local_name

_NOBODY = "54321:54321"  # a user and a group that no image knows
_TEMPORARY = "/tmp"  # noqa: S108 - the container's


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
        hardened: bool,
    ) -> Completed:
        replaced, before = (entrypoint[0], list(entrypoint[1:])) if entrypoint else ("", [])
        options: containers.Options = {
            "args": [*before, *argv],
            "entrypoint": replaced,
            "env": env,
            "mounts": [containers.Mount(task_dir, "/var/task")] if task_dir else [],
            "platform": self.platform,
            "network": "none",
        }
        if hardened:
            options |= {"read_only": True, "tmpfs": [_TEMPORARY], "capabilities": "none", "user": _NOBODY}
        done = self.runner.run(self.name, timeout=timeout, **options)
        return Completed(done.stdout, done.stderr, done.code)


@dataclass(frozen=True)
class _Case:
    """An image to be judged, as a process of its own needs it."""

    layout: Path
    subject: Subject
    container: _Container | None


def examine(
    workshop: Workshop,
    images: Sequence[Image],
    platforms: Sequence[str],
    runner: containers.Runner | None,
    *,
    time: int,
    now: int,
    verdicts: Verdicts | None = None,
    jobs: int = 1,
    real: Real | None = None,
) -> Report:
    """Judge the built artifacts of these images, `jobs` at once.

    Both in seconds since 1970: `time` is what the report says, `now` what certificates must be valid at.
    What `verdicts` have of the same bytes is taken from there. Without a runner, or where it cannot run a platform, the
    checks that need one say that they were skipped. `real` is an environment that each image is held against too.
    Raises SelectionError for an image that was not built.
    """
    record = workshop.dist.read()
    judged: list[Judged] = []
    found: list[list[Finding]] = []
    cases: dict[int, _Case] = {}
    keys: dict[int, str] = {}
    for image in images:
        artifact = record.get(image.name)
        if artifact is None:
            raise SelectionError(f"{image.tags[-1]} is not built", f"run `make images IMAGES={image.tags[-1]}` first")
        for platform in map(find, sorted(artifact.platforms)):
            if platforms and str(platform) not in platforms:
                continue
            layout = workshop.dist.layout(image.name, platform.arch)
            number, about = len(judged), _judged(layout, image.name, str(platform))
            engine = runner if runner is not None and not runner.obstacle(platform) else None
            known = None
            if verdicts is not None:
                name = engine.name if engine else ""
                keys[number] = verdicts.key(image, str(platform), about.digest, labels=labels(image), engine=name)
                known = verdicts.read(keys[number])
            if known is None:
                container = contained(workshop, engine, artifact, platform) if engine else None
                held = subject(workshop, image, platform, _created(layout), now)
                held = replace(held, against=real)
                cases[number] = _Case(layout, held, container)
            found.append(known or [])
            judged.append(replace(about, cached=known is not None))
    for number, findings in _findings(workshop, cases, jobs):
        found[number] = findings
        if verdicts is not None:
            verdicts.write(keys[number], findings)
    return Report(
        tuple(finding for findings in found for finding in findings),
        tuple(judged),
        __version__,
        time,
        runner.name if runner else "",
        behaviours.about(behaviours.read(workshop.dist.path / behaviours.FILE), judged),
    )


def subject(workshop: Workshop, image: Image, platform: Platform, created: int, now: int) -> Subject:
    """What an image that imagemill made is held against; `created` (seconds since 1970) is when it says it was made."""
    return Subject(
        image,
        platform,
        labels=labels(image),
        epoch=created,
        examples=workshop.paths.root / "examples",
        packages=_locked(workshop, image, platform),
        now=now,
    )


def container(runner: containers.Runner, name: str, platform: Platform) -> conform.Runner:
    """Runs commands in the image that an engine has under this name."""
    return _Container(runner, name, platform)


@contextmanager
def opened_layers(paths: Paths) -> Iterator[Layers]:
    """Layers whose facts are kept between runs; their tars are there until the block ends."""
    with scratch(paths.state) as folder, Layers(folder, _facts(paths)) as layers:
        yield layers


def _facts(paths: Paths) -> Path:
    return layerfacts.folder(paths.cache)


def _locked(workshop: Workshop, image: Image, platform: Platform) -> Mapping[str, str] | None:
    """The packages that the lock has for an image; None where there is no lock, or it lacks the image."""
    try:
        pins = lock.read(lock.path_of(workshop.paths.root, image.base.name))
        sets = [pins.inputs(name, platform.arch) for name in database_sets(image)]
    except LockError:
        return None
    return {one.name: one.version for inputs in sets for one in inputs.debian}


def _findings(workshop: Workshop, cases: Mapping[int, _Case], jobs: int) -> Iterator[tuple[int, list[Finding]]]:
    """Judge images in processes of their own, since half of the work is Python; one alone is judged in this one."""
    jobs = min(jobs, len(cases))
    if jobs <= 1:
        with opened_layers(workshop.paths) as layers:
            for number, case in cases.items():
                workshop.progress.step(f"judging {_named(case)}")
                yield number, judge(case.layout, case.subject, layers=layers, runner=case.container)
        return
    with scratch(workshop.paths.state) as folder, Crew(jobs, _judge) as crew, ThreadPoolExecutor(jobs) as pool:

        def ask(case: _Case) -> list[Finding]:
            workshop.progress.begin(_named(case), f"judging {_named(case)}")
            findings: list[Finding] = crew.do((case, folder, _facts(workshop.paths)))
            workshop.progress.end(_named(case), f"judged {_named(case)}")
            return findings

        yield from zip(cases, pool.map(ask, cases.values()), strict=True)


def _named(case: _Case) -> str:
    return f"{case.subject.image.tags[-1]} for {case.subject.platform}"


def _judge(job: tuple[_Case, Path, Path]) -> list[Finding]:
    """Judge an image in a process that does nothing else, and keeps what it has read of layers until its end."""
    case, folder, facts = job
    own = folder / str(os.getpid())  # tars go once their facts are known: not under another process's hands
    return judge(case.layout, case.subject, layers=_layers(own, facts), runner=case.container)


@cache
def _layers(folder: Path, facts: Path) -> Layers:
    return Layers(folder, facts)


def _judged(layout: Path, image: str, platform: str) -> Judged:
    opened = Layout(layout)
    [entry] = opened.images()
    check_blobs(opened, entry.digest, verify=False)  # what is kept of its bytes must not hide that they have gone
    layers = opened.read_json(entry.digest)["layers"]
    return Judged(image, platform, entry.digest, sum(layer["size"] for layer in layers), len(layers))


def contained(workshop: Workshop, runner: containers.Runner, artifact: Artifact, platform: Platform) -> _Container:
    """Have a built image in the engine, for checks that run it."""
    workshop.load(runner, [artifact], platform)
    return _Container(runner, local_name(artifact.tags[-1], platform), platform)


def _created(layout: Path) -> int:
    """When the image says that it was made, in seconds since 1970."""
    opened = Layout(layout)
    [entry] = opened.images()
    config = opened.read_json(opened.read_json(entry.digest)["config"]["digest"])
    return int(datetime.datetime.fromisoformat(config["created"]).timestamp())
