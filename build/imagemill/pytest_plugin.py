"""A plugin of pytest: `pytest --imagemill-image=REF` makes a test of each check of conformance on an image.

Options are best written with `=`: when pytest looks for its configuration it does not know them yet, and takes what
stands alone on the command line for a place of tests.

Loaded by whatever pytest finds this package, so nothing else of it is imported before an image is named.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from imagemill.conform import Check, Finding, Layers, Subject, View
    from imagemill.load import Catalog
    from imagemill.plan import Image
    from imagemill.platforms import Platform
    from imagemill.references import Places
    from imagemill.workshop import Workshop

_HELP = (
    "hold this image against manifests and facts, each check a test: a planned tag, an OCI layout, an archive, or "
    "a name in the local engine or a registry"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; pytest's own names for the group and its help."""
    group = parser.getgroup("imagemill", "conformance of images")
    group.addoption("--imagemill-image", action="append", default=[], metavar="REF", help=_HELP + "; may be repeated")
    group.addoption("--imagemill-as", metavar="RUNTIME/VARIANT", help="what to hold it against")
    group.addoption("--imagemill-platform", action="append", default=[], help="only this one, as linux/arm64")
    group.addoption("--imagemill-root", metavar="DIR", help="the checkout of imagemill; default: this folder or above")
    group.addoption("--imagemill-no-run", action="store_true", help="only what needs no container")


@pytest.hookimpl(tryfirst=True)  # before what -k and -m leave out
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the checks to what was collected."""
    refs: list[str] = config.getoption("--imagemill-image")
    if not refs:
        return
    from imagemill.errors import ImagemillError

    folder = tempfile.TemporaryDirectory(prefix="imagemill-pytest-")
    config.add_cleanup(folder.cleanup)
    try:
        source = _Source(config, Path(folder.name))
        config.add_cleanup(source.close)
        for ref in refs:
            items += source.items(session, ref)
    except ImagemillError as error:
        raise pytest.UsageError(str(error)) from None


@dataclass(frozen=True)
class _Opened:
    """An image to be judged: its layout and configuration, and what it is held against.

    `built` says that it is the one of that name in dist.
    """

    layout: Path
    config: Mapping[str, Any]
    image: Image
    platform: Platform
    built: bool


def title(config: Mapping[str, Any]) -> str:
    """What an image with this configuration calls itself, if imagemill made it; empty for others."""
    labels = (config.get("config") or {}).get("Labels") or {}
    return str(labels.get("org.opencontainers.image.title", "")) if "io.imagemill.runtime" in labels else ""


class CheckFailed(Exception):
    """Findings that fail; a failure of the test."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(f"{len(findings)} findings")
        self.findings = findings


class ImageNode(pytest.Collector):
    """One image on one platform; its tests are the checks."""

    def __init__(self, *, source: _Source, opened: _Opened, **more: Any) -> None:
        super().__init__(**more)
        self._source = source
        self._opened = opened

    def collect(self) -> Iterator[CheckItem]:
        """A test a check."""
        from imagemill.conform import CHECKS

        for check in CHECKS:
            module = check.__module__.rpartition(".")[2]
            name = f"{module}.{check.__name__.replace('_', '-')}"
            yield CheckItem.from_parent(self, name=name, node=self, check=check)

    @cached_property
    def judged(self) -> tuple[View, Subject]:
        """The image, opened when its first test runs."""
        return self._source.open(self._opened)


class CheckItem(pytest.Item):
    """One check on one image."""

    def __init__(self, *, node: ImageNode, check: Check, **more: Any) -> None:
        super().__init__(**more)
        self._node = node
        self._check = check

    def runtest(self) -> None:
        """Have the image judged by the check."""
        from imagemill.conform import conform

        found = conform(*self._node.judged, [self._check])
        failing = [finding for finding in found if finding.status == "fail"]
        if failing:
            raise CheckFailed(failing)
        skipped = [finding.found for finding in found if finding.status == "skip"]
        if skipped:
            pytest.skip("; ".join(skipped))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What each finding says, without a traceback; errors that users can mend without one too."""
        from imagemill.errors import ImagemillError
        from imagemill.reports.summary import details

        if isinstance(excinfo.value, CheckFailed):
            told = ("\n".join(f"{label:<8} {value}" for label, value in details(f)) for f in excinfo.value.findings)
            return "\n\n".join(told)
        if isinstance(excinfo.value, ImagemillError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it stands in reports."""
        return self.path, None, f"{self._node.name} {self.name}"


class _Source:
    """Where images and manifests come from, and the layers that were read."""

    def __init__(self, config: pytest.Config, scratch: Path) -> None:
        from imagemill.load import load

        self._config = config
        self._scratch = scratch
        self._root = self._checkout()
        self._catalog: Catalog = load(self._root)

    @cached_property
    def _layers(self) -> Layers:
        from imagemill.conform import Layers

        return Layers(self._scratch / "layers")

    @cached_property
    def _workshop(self) -> Workshop:
        from imagemill.dist import Dist
        from imagemill.factory import Paths
        from imagemill.mirrors import Mirrors
        from imagemill.progress import Silent
        from imagemill.workshop import Workshop

        paths = Paths(self._root, self._scratch / "state")
        return Workshop(paths, Dist(self._root / "dist"), Mirrors.discover(os.environ), Silent(), os.environ)

    def close(self) -> None:
        """Let go of the layers."""
        if "_layers" in self.__dict__:
            self._layers.close()

    def items(self, session: pytest.Session, ref: str) -> Iterator[pytest.Item]:
        """The tests of an image, on each platform that was asked for. Raises ImagemillError for what is none."""
        from imagemill.errors import SelectionError
        from imagemill.export import built
        from imagemill.oci import Layout
        from imagemill.plan import plan
        from imagemill.platforms import find
        from imagemill.references import open_reference

        planned = plan(self._catalog)
        path = self._config.invocation_params.dir / ref
        image = None if path.exists() else self._planned(ref, planned)
        if image is not None:
            layout = built(self._workshop.dist, image, None)
        else:
            layout = open_reference(str(path) if path.exists() else ref, self._places)
        platforms = [str(find(name)) for name in self._config.getoption("--imagemill-platform")]
        opened = Layout(layout)
        entries = [entry for entry in opened.images() if not platforms or entry.platform in platforms]
        if not entries:
            raise SelectionError(f"{ref} has no image for {', '.join(platforms)}", "see --imagemill-platform")
        for entry in sorted(entries, key=lambda entry: entry.platform):
            config = opened.read_json(opened.read_json(entry.digest)["config"]["digest"])
            against = self._chosen(planned) or image or self._guessed(ref, config, planned)
            one = _Opened(layout, config, against, find(entry.platform), image is not None)
            name = f"imagemill:{ref}[{entry.platform}]"
            node = ImageNode.from_parent(session, name=name, nodeid=name, path=layout, source=self, opened=one)
            yield from session.genitems(node)

    def _chosen(self, planned: Sequence[Image]) -> Image | None:
        """What --imagemill-as says, in the words that the command takes; None where it says nothing."""
        from imagemill.conform.guess import named

        word = self._config.getoption("--imagemill-as")
        return named(word, planned) if word else None

    @staticmethod
    def _guessed(ref: str, config: Mapping[str, Any], planned: Sequence[Image]) -> Image:
        from imagemill.conform.guess import guessed
        from imagemill.conform.view import Config
        from imagemill.errors import SelectionError

        try:
            return guessed(ref, Config.from_json(config), planned)
        except SelectionError as error:
            raise SelectionError(error.message, error.remedy.replace("--as", "--imagemill-as")) from None

    def _planned(self, ref: str, planned: Sequence[Image]) -> Image | None:
        """The planned image that `ref` means, if any."""
        from imagemill.errors import SelectionError
        from imagemill.plan import select

        try:
            found = select(planned, [ref])
        except SelectionError:
            return None
        return self._only(found, ref)

    @cached_property
    def _places(self) -> Places:
        """Where other images are looked for."""
        from imagemill.cache import Cache
        from imagemill.engine import containers
        from imagemill.references import places
        from imagemill.web import Web

        engine = containers.find(os.environ)
        cache, web = Cache(self._scratch / "cache"), Web(self._workshop.mirrors)
        return places(os.environ, self._scratch, cache, web, engine.save if engine else None, lambda _: None)

    def open(self, opened: _Opened) -> tuple[View, Subject]:
        """An image that can be judged, and what it is held against."""
        from imagemill.conform import open_layout
        from imagemill.judging import subject

        created = datetime.fromisoformat(opened.config.get("created") or "1970-01-01T00:00:00Z")
        held = subject(self._workshop, opened.image, opened.platform, int(created.timestamp()), int(time.time()))
        if not title(opened.config):  # only an image of ours promises its labels, and when it was made
            held = replace(held, labels={}, epoch=None, packages=None, foreign=True)
        runner = self._runner(opened)
        return open_layout(opened.layout, opened.platform, self._layers, runner), held

    def _runner(self, opened: _Opened) -> Any:
        """What runs an image that was built here; None where nothing does."""
        from imagemill import contained
        from imagemill.engine import containers

        if not opened.built or self._config.getoption("--imagemill-no-run"):
            return None
        engine = containers.find(os.environ)
        artifact = self._workshop.dist.read()[opened.image.name]
        if engine is None or engine.obstacle(opened.platform):
            return None
        return contained.built(self._workshop.dist, engine, artifact, opened.platform, self._workshop.progress)

    def _checkout(self) -> Path:
        given = self._config.getoption("--imagemill-root")
        here = self._config.invocation_params.dir
        for folder in [here / given] if given else [here, *here.parents]:
            if (folder / "runtimes").is_dir() and (folder / "templates").is_dir():
                return folder
        raise pytest.UsageError(f"{here / given if given else here} is no checkout of imagemill: use --imagemill-root")

    @staticmethod
    def _only(images: list[Image], word: str) -> Image:
        from imagemill.errors import SelectionError

        if len(images) != 1:
            raise SelectionError(f"{word} is {len(images)} images", "name one")
        return images[0]
