"""Judging images that are not in dist: whatever a reference leads to, each platform of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imagemill.conform import Finding, Runner, Subject, conform
from imagemill.conform.guess import guessed, named
from imagemill.conform.image import Manifest, images
from imagemill.conform.view import Config, view
from imagemill.contained import Contained
from imagemill.engine import containers
from imagemill.errors import ImagemillError, SelectionError
from imagemill.judging import locked, opened_layers
from imagemill.labels import labels
from imagemill.oci import Descriptor, Layout
from imagemill.plan import Image
from imagemill.platforms import Platform, find, native
from imagemill.recorder import Real
from imagemill.references import Places, open_reference
from imagemill.sbom.bill import Bill
from imagemill.workshop import Workshop


@dataclass(frozen=True)
class Appraised:
    """One platform of an image: what it was asked for as, its manifest's digest, its layers' bytes as pulled."""

    name: str
    platform: str
    digest: str
    size: int
    layers: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Terms:
    """What images are held against: `planned` are all there are, `chosen` what --as says (empty: to be guessed).

    `platforms` are the ones wanted, all when there are none; `now` is the time in seconds since 1970.
    `real` is an environment that they are held against too, and `bills` are of materials, one of which must be theirs.
    """

    planned: Sequence[Image]
    chosen: str
    platforms: Sequence[str]
    now: int
    real: Real | None = None
    bills: Sequence[Bill] = ()


def appraise(
    words: Sequence[str], terms: Terms, workshop: Workshop, places: Places, runner: containers.Runner | None
) -> list[Appraised]:
    """Judge the images that these references lead to, every platform of them.

    Raises SelectionError where a reference leads nowhere, has none of the platforms, or cannot be told what it is,
    and LayoutError for images that are damaged. With a runner they are run too, where it can.
    """
    found: list[Appraised] = []
    with opened_layers(workshop.paths) as layers:
        for word in words:
            layout = Layout(open_reference(word, places))
            for name, manifest, platform in chosen(word, layout, terms.platforms):
                workshop.progress.step(f"judging {word} for {platform}")
                config = Config.from_json(manifest.settings)
                subject = _subject(name, config, platform, terms, workshop)
                with loaded(runner, layout, manifest, platform, places.scratch) as run:
                    seen = view(layout, manifest, layers, run)
                    findings = conform(seen, subject)
                size = sum(layer.size for layer in manifest.layers)
                count = len(manifest.layers)
                found.append(Appraised(name, str(platform), manifest.digest, size, count, tuple(findings)))
    return found


def chosen(word: str, layout: Layout, wanted: Sequence[str]) -> list[tuple[str, Manifest, Platform]]:
    """The images of a layout that are to be judged, with what each is called and its platform.

    They are called as they were asked for, by `word`; with their digest where there are several of a platform.
    `wanted` are platforms, all when there are none. SelectionError where there is no image, LayoutError where one is
    damaged.
    """
    found = images(layout.path)
    taken: list[tuple[Manifest, Platform]] = []
    for manifest in found:
        try:
            platform = find(manifest.platform)
        except ImagemillError:
            continue  # windows, or a processor that nothing here is made for
        if not wanted or str(platform) in wanted:
            taken.append((manifest, platform))
    if not taken:
        there = ", ".join(sorted({manifest.platform for manifest in found})) or "no image"
        raise SelectionError(f"{word} has {there}", "name another platform, or another image")
    taken.sort(key=lambda one: str(one[1]))
    alone = len({str(platform) for _, platform in taken}) == len(taken)
    return [(word if alone else f"{word}@{manifest.digest}", manifest, platform) for manifest, platform in taken]


def ours(config: Config) -> bool:
    """Whether an image says that imagemill made it."""
    return "io.imagemill.runtime" in config.labels


def _subject(name: str, config: Config, platform: Platform, terms: Terms, workshop: Workshop) -> Subject:
    image = named(terms.chosen, terms.planned) if terms.chosen else guessed(name, config, terms.planned)
    made_here = ours(config)
    return Subject(
        image,
        platform,
        labels=labels(image) if made_here else {},
        examples=workshop.paths.root / "examples",
        now=terms.now,
        foreign=not made_here,
        name=name,
        against=terms.real,
        emulated=platform != native(),
        bills=terms.bills,
        components=locked(workshop.paths.root, image, platform) if made_here and terms.bills else (),
    )


@contextmanager
def loaded(
    runner: containers.Runner | None, layout: Layout, manifest: Manifest, platform: Platform, scratch: Path
) -> Iterator[Runner | None]:
    """Runs the image, which the engine has for as long as the block runs; None where nothing can."""
    if runner is None or runner.obstacle(platform):
        yield None
        return
    single = Layout(scratch / f"single-{manifest.digest[7:19]}")
    for part in (manifest.config, *manifest.layers):
        single.link(layout.blob_path(part.digest), part.digest)
    single.link(layout.blob_path(manifest.digest), manifest.digest)
    size = single.blob_path(manifest.digest).stat().st_size
    single.finish([Descriptor(manifest.media_type, manifest.digest, size, str(platform))])
    name = f"imagemill/conform:{manifest.digest[7:19]}"
    runner.load({single.path: [name]})
    try:
        yield Contained(runner, name, platform)
    finally:
        runner.forget(name)
