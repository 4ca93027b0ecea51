"""What an image is to be held against: what was said, or what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imagemill.conform.view import Config
from imagemill.errors import SelectionError
from imagemill.plan import VARIANTS, Image, VariantName

_EXECUTION = "AWS_Lambda_"
_INITS = ("/var/rapid/init", "/var/runtime/init", "/var/runtime/mockserver", "/var/runtime/aws-lambda-go")


def named(word: str, images: Sequence[Image]) -> Image:
    """The planned image that `python3.13/serve`, or a tag of the plan, means. Raises SelectionError for none."""
    runtime, _, variant = word.partition("/")
    for image in images:
        if word in image.tags or (image.runtime.name == runtime and image.variant == (variant or "run")):
            return image
    raise SelectionError(f"--as {word}: nothing like it is planned", f"use one of: {_choices(images)}")


def guessed(name: str, config: Config, images: Sequence[Image]) -> Image:
    """The planned image that an image called `name` wants to be. Raises SelectionError where nothing tells."""
    runtimes = list(dict.fromkeys(_runtimes(name, config, images)))
    variant = _variant(name, config)
    base = config.labels.get("io.imagemill.base", "")
    for runtime in runtimes:
        fitting = [one for one in images if one.runtime.name == runtime and one.variant == variant]
        for image in sorted(fitting, key=lambda one: one.base.name != base):
            return image
    what = "which runtime it is" if variant else "whether it is for run, build or serve"
    if runtimes and variant:
        what = f"what {runtimes[0]}/{variant} should be, which is not planned"
    raise SelectionError(
        f"nothing in {name} says {what}", f"say it with --as, as in --as python3.13/serve; planned: {_choices(images)}"
    )


def _runtimes(name: str, config: Config, images: Sequence[Image]) -> Iterator[str]:
    """Names of runtimes, the most certain first: labels, the environment, the tags that it is known by."""
    if label := config.labels.get("io.imagemill.runtime"):
        yield label
    execution = config.env.get("AWS_EXECUTION_ENV", "")
    if execution.startswith(_EXECUTION):
        yield execution.removeprefix(_EXECUTION)
    bare = name.removeprefix("docker://").partition("@")[0]
    tag = bare.rpartition(":")[2].removesuffix("-x86_64").removesuffix("-arm64")
    for image in images:
        own = {*image.tags, f"{image.variant}-{image.runtime.name}", image.runtime.name}
        if tag in own or any(f"/{bare}".endswith(f"/{alias}") for alias in image.runtime.aliases):
            yield image.runtime.name


def _variant(name: str, config: Config) -> VariantName | None:
    label = config.labels.get("io.imagemill.variant")
    for variant in VARIANTS:
        if label == variant:
            return variant
    first = config.entrypoint[0] if config.entrypoint else ""
    if first == "/lambda-entrypoint.sh":
        return "serve"
    if first in _INITS:
        return "run"
    tag = name.partition("@")[0].rpartition(":")[2]
    return "build" if not first and (tag.startswith("build-") or config.user in ("", "root")) else None


def _choices(images: Sequence[Image]) -> str:
    return ", ".join(f"{image.runtime.name}/{image.variant}" for image in images)
