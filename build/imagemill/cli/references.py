"""References on the command line: which words mean planned images, and where the others are looked for."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagemill.cli.shared import catalog_of, checkout, workshop_of

if TYPE_CHECKING:
    from imagemill.appraise import Appraised
    from imagemill.engine.containers import Runner
    from imagemill.load import Catalog
    from imagemill.plan import Image
    from imagemill.recorder import Real
    from imagemill.sbom.bill import Bill
    from imagemill.workshop import Workshop


def parted(catalog: Catalog, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that select planned images, and the references."""
    from imagemill.errors import SelectionError
    from imagemill.plan import plan, select

    images = plan(catalog)
    planned, others = [], []
    for word in words:
        try:
            select(images, [word])
            planned.append(word)
        except SelectionError:
            others.append(word)
    return planned, others


def appraised(
    words: Sequence[str],
    catalog: Catalog,
    chosen: str,
    platforms: Sequence[str],
    workshop: Workshop | None,
    runner: Runner | None,
    real: Real | None,
    bills: Sequence[Bill] = (),
) -> list[Appraised]:
    """Judge what these references lead to; `chosen` is what --as says, `real` what --against does, `bills` what
    --sbom does.

    The local engine is looked in even where nothing is run.
    """
    if not words or workshop is None:
        return []
    from imagemill.appraise import Terms, appraise
    from imagemill.cache import Cache
    from imagemill.engine import containers
    from imagemill.plan import plan
    from imagemill.references import places
    from imagemill.scratch import scratch
    from imagemill.web import Web

    engine = runner or containers.find(os.environ)
    terms = Terms(plan(catalog), chosen, platforms, int(time.time()), real, bills)
    with scratch(workshop.paths.state) as folder:
        cache, web, save = Cache(workshop.paths.cache), Web(workshop.mirrors), engine.save if engine else None
        where = places(os.environ, folder, cache, web, save, workshop.progress.step)
        return appraise(words, terms, workshop, where, runner)


def layout_of(root: Path | None, dist: Path | None, ref: str, scratch: Path) -> Path:
    """The layout of one image: a planned one that was built, or whatever else a reference leads to.

    Raises SelectionError where it leads nowhere, or to several planned ones.
    """
    from imagemill.export import built

    image = planned(root, ref)
    return built(workshop_of(checkout(root), dist).dist, image, None) if image else _elsewhere(ref, scratch)


def planned(root: Path | None, ref: str) -> Image | None:
    """The planned image that `ref` means; None where it means something else, or where there is no checkout.

    Raises SelectionError where it means several.
    """
    from imagemill.errors import CheckoutError, SelectionError
    from imagemill.plan import plan, select

    if Path(ref).exists():
        return None
    try:
        images = select(plan(catalog_of(checkout(root))), [ref])
    except (CheckoutError, SelectionError):
        return None
    if len(images) > 1:
        raise SelectionError(f"{ref} is {len(images)} images", "name one")
    return images[0]


def _elsewhere(ref: str, scratch: Path) -> Path:
    from imagemill.cache import Cache
    from imagemill.engine import containers
    from imagemill.mirrors import Mirrors
    from imagemill.references import open_reference, places
    from imagemill.web import Web

    engine = containers.find(os.environ)
    web, save = Web(Mirrors.discover(os.environ)), engine.save if engine else None
    return open_reference(ref, places(os.environ, scratch, Cache(scratch / "cache"), web, save, lambda _: None))
