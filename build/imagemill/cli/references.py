"""References on the command line: which words mean planned images, and where the others are looked for."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagemill.appraise import Appraised
    from imagemill.engine.containers import Runner
    from imagemill.load import Catalog
    from imagemill.recorder import Real
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
    workshop: Workshop,
    runner: Runner | None,
    real: Real | None,
) -> list[Appraised]:
    """Judge what these references lead to; `chosen` is what --as says, `real` what --against does.

    The local engine is looked in even where nothing is run.
    """
    if not words:
        return []
    from imagemill.appraise import Terms, appraise
    from imagemill.cache import Cache
    from imagemill.engine import containers
    from imagemill.plan import plan
    from imagemill.references import places
    from imagemill.scratch import scratch
    from imagemill.web import Web

    engine = runner or containers.find(os.environ)
    terms = Terms(plan(catalog), chosen, platforms, int(time.time()), real)
    with scratch(workshop.paths.state) as folder:
        cache, web, save = Cache(workshop.paths.cache), Web(workshop.mirrors), engine.save if engine else None
        where = places(os.environ, folder, cache, web, save, workshop.progress.step)
        return appraise(words, terms, workshop, where, runner)
