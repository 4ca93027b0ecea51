"""What the plugin of pytest judges: the images that its options name, opened as `imagemill conform` opens them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import pytest
from msgspec import structs

from imagemill import appraise, contained, recorder
from imagemill.cache import Cache
from imagemill.conform import Layers, Runner, Subject, View
from imagemill.conform.guess import guessed, named
from imagemill.conform.image import Manifest
from imagemill.conform.view import Config, view
from imagemill.dist import Dist
from imagemill.engine import containers
from imagemill.errors import CheckoutError, SelectionError
from imagemill.export import built
from imagemill.judging import subject
from imagemill.load import load
from imagemill.mirrors import Mirrors
from imagemill.oci import Layout
from imagemill.paths import Paths
from imagemill.plan import Image, plan, select
from imagemill.platforms import Platform, find
from imagemill.progress import Silent
from imagemill.references import Places, open_reference, places
from imagemill.sbom import bill
from imagemill.web import Web
from imagemill.workshop import Workshop


@dataclass(frozen=True)
class Opened:
    """An image to be judged: what it is called, the layout that it is in, and what it is held against.

    `built` says that it is the one of that name in dist.
    """

    name: str
    layout: Layout
    manifest: Manifest
    image: Image
    platform: Platform
    built: bool


class Images:
    """The images, what they are held against, and the layers that were read.

    Raises ImagemillError for what is no checkout, no record or no bill.
    """

    def __init__(self, config: pytest.Config, scratch: Path) -> None:
        self._here = config.invocation_params.dir
        self._scratch = scratch
        self._root = self._checkout(config.getoption("--imagemill-root"))
        self._planned = plan(load(self._root))
        dist = config.getoption("--imagemill-dist")
        paths, store = Paths(self._root, scratch / "state"), Dist(self._here / dist if dist else self._root / "dist")
        self._workshop = Workshop(paths, store, Mirrors.discover(os.environ), Silent(), os.environ)
        self._chosen: str = config.getoption("--imagemill-as") or ""
        self._platforms = [str(find(name)) for name in config.getoption("--imagemill-platform")]
        self._run = not config.getoption("--imagemill-no-run")
        against = config.getoption("--imagemill-against")
        self.real = recorder.load(self._here / against) if against else None
        self.bills = [bill.read(self._here / file) for file in config.getoption("--imagemill-sbom")]

    @cached_property
    def _layers(self) -> Layers:
        return Layers(self._scratch / "layers")

    def close(self) -> None:
        """Let go of the layers."""
        if "_layers" in self.__dict__:
            self._layers.close()

    def found(self, ref: str) -> Iterator[Opened]:
        """What `ref` leads to, on each platform that was asked for. Raises ImagemillError where that is nothing."""
        path = self._here / ref
        image = None if path.exists() else self._one(ref)
        if image is not None:
            layout = Layout(built(self._workshop.dist, image, None))
        else:
            layout = Layout(open_reference(str(path) if path.exists() else ref, self._places))
        for name, manifest, platform in appraise.chosen(ref, layout, self._platforms):
            against = named(self._chosen, self._planned) if self._chosen else image or self._guessed(name, manifest)
            yield Opened(name, layout, manifest, against, platform, image is not None)

    def open(self, one: Opened, loaded: ExitStack) -> tuple[View, Subject]:
        """An image that can be judged, and what it is held against; `loaded` has an engine forget it again."""
        created = datetime.fromisoformat(one.manifest.settings.get("created") or "1970-01-01T00:00:00Z")
        since, now = int(created.timestamp()), int(time.time())
        held = subject(self._workshop, one.image, one.platform, since, now, self.real, self.bills)
        seen = view(one.layout, one.manifest, self._layers, self._runner(one, loaded))
        if not appraise.ours(seen.config):  # only ours promises its labels, when it was made, and what is in it
            held = structs.replace(held, labels={}, epoch=None, packages=None, components=(), foreign=True)
        return seen, held

    def _runner(self, one: Opened, loaded: ExitStack) -> Runner | None:
        """What runs an image; None where nothing does."""
        engine = containers.find(os.environ) if self._run else None
        if engine is None or engine.obstacle(one.platform):
            return None
        if one.built:
            dist = self._workshop.dist
            return contained.built(dist, engine, dist.read()[one.image.name], one.platform)
        return loaded.enter_context(appraise.loaded(engine, one.layout, one.manifest, one.platform, self._scratch))

    def _one(self, ref: str) -> Image | None:
        """The planned image that `ref` means, if any. SelectionError where it means several."""
        try:
            found = select(self._planned, [ref])
        except SelectionError:
            return None
        if len(found) != 1:
            raise SelectionError(f"{ref} is {len(found)} images", "name one")
        return found[0]

    def _guessed(self, name: str, manifest: Manifest) -> Image:
        try:
            return guessed(name, Config.from_json(manifest.settings), self._planned)
        except SelectionError as error:
            raise SelectionError(error.message, error.remedy.replace("--as", "--imagemill-as")) from None

    @cached_property
    def _places(self) -> Places:
        """Where images are looked for that were not built here."""
        engine = containers.find(os.environ)
        cache, web = Cache(self._scratch / "cache"), Web(self._workshop.mirrors)
        return places(os.environ, self._scratch, cache, web, engine.save if engine else None, lambda _: None)

    def _checkout(self, given: str | None) -> Path:
        for folder in [self._here / given] if given else [self._here, *self._here.parents]:
            if (folder / "runtimes").is_dir() and (folder / "templates").is_dir():
                return folder
        here = self._here / given if given else self._here
        raise CheckoutError(f"{here} is no checkout of imagemill", "name one with --imagemill-root")
