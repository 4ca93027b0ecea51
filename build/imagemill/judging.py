"""Judging what is in dist: each image and platform against its plan, in containers where something runs them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from imagemill import __version__, layerfacts
from imagemill.conform import Finding, Layers, Subject, judge
from imagemill.dist import Dist, check_blobs
from imagemill.errors import SelectionError
from imagemill.labels import labels
from imagemill.oci import Layout
from imagemill.paths import Paths
from imagemill.pinned import versions
from imagemill.plan import Image, database_sets
from imagemill.platforms import Platform, find, native
from imagemill.progress import Progress
from imagemill.reports.summary import Behaviour, Judged, Report
from imagemill.scratch import scratch

if TYPE_CHECKING:  # most of these take long to import, and are not needed where nothing is run
    from imagemill.contained import Contained
    from imagemill.engine import containers
    from imagemill.recorder import Real
    from imagemill.sbom import Component
    from imagemill.sbom.bill import Bill
    from imagemill.verdicts import Verdicts
    from imagemill.workshop import Workshop


class Bench(Struct, frozen=True):
    """What judging needs of a workshop, which is one too: where things are, and who is told."""

    paths: Paths
    dist: Dist
    progress: Progress


class _Case(Struct, frozen=True):
    """An image to be judged, as a process of its own needs it."""

    layout: Path
    subject: Subject
    container: Contained | None


def examine(
    workshop: Bench | Workshop,
    images: Sequence[Image],
    platforms: Sequence[str],
    runner: containers.Runner | None,
    *,
    time: int,
    now: int,
    verdicts: Verdicts | None = None,
    jobs: int = 1,
    real: Real | None = None,
    bills: Sequence[Bill] = (),
) -> Report:
    """Judge the built artifacts of these images, `jobs` at once.

    Both in seconds since 1970: `time` is what the report says, `now` what certificates must be valid at.
    What `verdicts` have of the same bytes is taken from there. Without a runner, or where it cannot run a platform, the
    checks that need one say that they were skipped. `real` is an environment that each image is held against too, and
    `bills` are of materials, one of which must be of each image.
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
                container = None
                if engine:
                    from imagemill import contained

                    container = contained.built(workshop.dist, engine, artifact, platform)
                held = subject(workshop, image, platform, _created(layout), now, real, bills)
                cases[number] = _Case(layout, held, container)
            found.append(known or [])
            judged.append(structs.replace(about, cached=known is not None))
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
        _behaviours(workshop.dist, judged),
    )


def _behaviours(dist: Dist, judged: Sequence[Judged]) -> tuple[Behaviour, ...]:
    """What the tests of the images have left of how functions behave in these."""
    if not dist.behaviours.is_file():
        return ()
    from imagemill.reports import behaviours

    return behaviours.about(behaviours.read(dist.behaviours), judged)


def subject(
    workshop: Bench | Workshop,
    image: Image,
    platform: Platform,
    created: int,
    now: int,
    real: Real | None = None,
    bills: Sequence[Bill] = (),
) -> Subject:
    """What an image that imagemill made is held against; `created` (seconds since 1970) is when it says it was made.

    `real` and `bills` are what was given for it.
    """
    lock = workshop.paths.root / "runtimes" / "lock" / f"{image.base.name}.json"
    return Subject(
        image,
        platform,
        labels=labels(image),
        epoch=created,
        examples=workshop.paths.root / "examples",
        packages=versions(lock, database_sets(image), platform.arch),
        now=now,
        against=real,
        emulated=platform != native(),
        bills=bills,
        components=locked(workshop.paths.root, image, platform) if bills else (),
    )


def locked(root: Path, image: Image, platform: Platform) -> list[Component]:
    """What the lock knows of an image that was made from it. LockError where there is no such lock."""
    from imagemill import lock
    from imagemill.sbom.planned import components

    pins = lock.read(lock.path_of(root, image.base.name))
    return list(components(image, lambda name: pins.inputs(name, platform.arch)))


@contextmanager
def opened_layers(paths: Paths) -> Iterator[Layers]:
    """Layers whose facts are kept between runs; their tars are there until the block ends."""
    with scratch(paths.state) as folder, Layers(folder, _facts(paths)) as layers:
        yield layers


def _facts(paths: Paths) -> Path:
    return layerfacts.folder(paths.cache)


def _findings(workshop: Bench | Workshop, cases: Mapping[int, _Case], jobs: int) -> Iterator[tuple[int, list[Finding]]]:
    """Judge images in processes of their own, since half of the work is Python; one alone is judged in this one."""
    jobs = min(jobs, len(cases))
    if jobs <= 1:
        with opened_layers(workshop.paths) as layers:
            for number, case in cases.items():
                workshop.progress.step(f"judging {_named(case)}")
                yield number, judge(case.layout, case.subject, layers=layers, runner=case.container)
        return
    from concurrent.futures import ThreadPoolExecutor

    from imagemill.crew import Crew

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


def _created(layout: Path) -> int:
    """When the image says that it was made, in seconds since 1970."""
    opened = Layout(layout)
    [entry] = opened.images()
    config = opened.read_json(opened.read_json(entry.digest)["config"]["digest"])
    return int(datetime.datetime.fromisoformat(config["created"]).timestamp())
