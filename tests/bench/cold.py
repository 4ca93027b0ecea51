"""Everything from nothing: `python tests/bench/cold.py [--downloads] [default|runtimes] [--images IMAGE...]`.

`default` is the default set (run, build and serve of current runtimes), `runtimes` run and serve of all of them, both
on all architectures, each in a fresh state: programs of ours are compiled, every layer is made. Downloads are cached;
with `--downloads` they are fetched too. `--images` takes some images only, to try it: the bounds are for the whole on
two cores.
"""

from __future__ import annotations

import argparse

from measure import ROOT, at_most, fresh, say, seconds, started

from imagemill.load import load
from imagemill.plan import plan

MINUTES = {"default": (10, 5), "runtimes": (15, 8)}
"""For each set the bound, and what would be better still."""


def words(which: str, images: list[str]) -> list[str]:
    """What `build` is told."""
    if images:
        return images
    if which == "default":
        return ["--set", "default"]
    return [image.name for image in plan(load(ROOT)) if image.variant in ("run", "serve")]


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("sets", nargs="*", choices=[*MINUTES, []], default=list(MINUTES))
    arguments.add_argument("--downloads", action="store_true", help="fetch what is built of, too")
    arguments.add_argument("--images", nargs="+", default=[])
    given = arguments.parse_args()
    started("from nothing")
    kept = () if given.downloads else ("cache",)
    how = "nothing cached" if given.downloads else "downloads cached"
    for which in given.sets:
        with fresh(*kept) as place:
            spent = seconds(place.build(*words(which, given.images)), place.environ) / 60
        if given.images:
            say(f"{' '.join(given.images)}, {how}", f"{spent:.2f} min")
            return
        most, better = MINUTES[which]
        at_most(f"{which}, all images and architectures, {how}", spent, most, "min", 1)
        say("  at best", "", f"≤ {better} min", spent <= better)


if __name__ == "__main__":
    main()
