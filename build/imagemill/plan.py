"""The plan: which images there are to build, from runtimes × bases × variants, with their tags and parents."""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from imagemill.errors import SelectionError
from imagemill.manifest import Base, Offer, Runtime, Variant

if TYPE_CHECKING:
    from imagemill.catalog import Catalog

VariantName = Literal["run", "build", "serve"]
VARIANTS: tuple[VariantName, ...] = ("run", "build", "serve")
DEFAULT_KIND = "debian"
"""The base whose images get the short tags."""

LAYERS: Mapping[VariantName, tuple[str, ...]] = {
    # `run` and `serve` share every layer; `build` puts what is alike in all build images first, so that
    # engines store the toolchain once
    "run": ("system", "init", "language", "packages"),
    "serve": ("system", "init", "language", "packages"),
    "build": ("system", "init", "toolchain", "language", "build", "packages"),
}


class Image(Struct, frozen=True):
    """One planned image: a runtime on a base, in one variant, for its platforms."""

    name: str  # the full tag, which names the base: build-python3.13-debian
    runtime: Runtime
    base: Base
    offer: Offer
    variant: VariantName
    tags: tuple[str, ...]
    parents: tuple[str, ...]

    @property
    def platforms(self) -> tuple[str, ...]:
        """OCI names, sorted."""
        return tuple(sorted(self.runtime.platforms))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, lowest first."""
        return LAYERS[self.variant]

    @property
    def configuration(self) -> Variant:
        """What the base says of this variant, before the runtime's own settings."""
        return {"run": self.base.run, "build": self.base.build, "serve": self.base.serve}[self.variant]

    @property
    def env(self) -> dict[str, str]:
        """The environment in the image: the base's, then the runtime's; an empty value removes a variable.

        AWS's own base images carry no AWS_EXECUTION_ENV (facts: env.yaml, contracts 4.5): the serve variant
        leaves it to the bootstrap.
        """
        env = {**self.configuration.env, **self.runtime.env}
        if self.variant == "build":
            env |= self.runtime.build_env
        if self.variant == "serve":
            env.pop("AWS_EXECUTION_ENV", None)
        return {name: value for name, value in env.items() if value}

    @property
    def entrypoint(self) -> tuple[str, ...]:
        """The entrypoint; a runtime may have a run image with one of its own."""
        if self.variant == "run" and self.runtime.entrypoint:
            return self.runtime.entrypoint
        return self.configuration.entrypoint

    @property
    def tools(self) -> tuple[str, ...]:
        """Commands that must be on the PATH."""
        tools = {*self.base.tools, *self.runtime.tools}
        if self.variant == "build":
            tools |= {*self.base.build_tools, *self.runtime.build_tools}
        return tuple(sorted(tools))


class Unavailable(Struct, frozen=True):
    """A runtime that a base cannot offer, and why."""

    runtime: str
    kind: str
    reason: str


def plan(catalog: Catalog) -> list[Image]:
    """All images that the manifests describe, parents before children."""
    images = []
    for runtime in catalog.runtimes.values():
        for _, offer in sorted(runtime.bases.items()):
            if offer.base is not None and offer.unavailable is None:
                images += [_image(runtime, catalog.bases[offer.base], offer, v) for v in VARIANTS]
    return images


def unavailable(catalog: Catalog) -> list[Unavailable]:
    """What is not planned, and the reason given for it."""
    return [
        Unavailable(runtime.name, kind, offer.unavailable)
        for runtime in catalog.runtimes.values()
        for kind, offer in sorted(runtime.bases.items())
        if offer.unavailable is not None
    ]


def select(images: Sequence[Image], wanted: Iterable[str]) -> list[Image]:
    """The images with these names, in the plan's order.

    A word is a tag (`python3.13`, `build-python3.13-debian`), a glob over tags, a runtime with `@` in front
    for all its variants (`@python3.13`), or a variant (`run`). No word selects everything. Raises SelectionError for
    a word that selects nothing.
    """
    words = list(wanted)
    chosen: set[str] = set()
    for word in words:
        names = {image.name for image in images if _matches(image, word)}
        if not names:
            known = ", ".join(tag for image in images for tag in image.tags[-1:])
            raise SelectionError(f"no image is called {word!r}", f"the plan has: {known}")
        chosen |= names
    return [image for image in images if image.name in chosen or not words]


def current(images: Iterable[Image], today: datetime.date) -> list[Image]:
    """The default set: images of runtimes that AWS has not deprecated by `today`."""
    return [i for i in images if i.runtime.deprecated is None or i.runtime.deprecated > today]


def database_sets(image: Image) -> tuple[str, ...]:
    """The sets whose packages an image's dpkg database lists."""
    base, runtime = image.base.name, image.runtime.name
    if image.variant == "build":
        return base, runtime, f"{base}/toolchain", f"{runtime}/build"
    return base, runtime


def _matches(image: Image, word: str) -> bool:
    if word.startswith("@"):
        return image.runtime.name == word[1:]
    return word == image.variant or any(fnmatch.fnmatchcase(tag, word) for tag in image.tags)


def _image(runtime: Runtime, base: Base, offer: Offer, variant: VariantName) -> Image:
    prefix = "" if variant == "run" else f"{variant}-"
    full = f"{prefix}{runtime.name}-{base.kind}"
    tags = (full, f"{prefix}{runtime.name}") if base.kind == DEFAULT_KIND else (full,)
    parents = (base.name,) if variant == "run" else (f"{runtime.name}-{base.kind}",)
    return Image(full, runtime, base, offer, variant, tags, parents)
