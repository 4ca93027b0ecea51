"""What is done before anything is made: `python tests/bench/plan.py`.

Render, plan and a build that finds nothing changed with 100 images, the process, cold (no snapshot of the plan
yet) and warm; then how the time of a build grows, with 10, 50 and 200 images of which none, one runtime's three or five
runtimes' fifteen have changed. All in processor time, so that the bounds mean something on a machine that others share:
these commands compute in one thread, but for the writing of images.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from measure import PYTHON, at_most, busy, in_turn, median, ratio, say, started
from multiplied import Checkout, made

from imagemill.paths import PARSED

ROUNDS = 5
GROWTH_ROUNDS = 3
SIZES = (10, 50, 200)
CHANGED = (0, 1, 5)
NOTHING = ("build", "--set", "all", "--no-load")
_YEARS = itertools.count(2040)


def cold(checkout: Checkout, *words: str) -> float:
    """Seconds of processor time for a command that finds neither a snapshot nor what YAML became."""
    for kept in ("plans", PARSED):
        shutil.rmtree(checkout.root / "state" / kept, ignore_errors=True)
    return warm(checkout, *words)


def warm(checkout: Checkout, *words: str) -> float:
    """Seconds of processor time for a command that finds one."""
    return busy(checkout.command(*words), checkout.environ, checkout.root)


def changed(checkout: Checkout, runtimes: int) -> float:
    """Seconds of processor time for a build after these many runtimes were changed."""
    year = next(_YEARS)
    for number in range(runtimes):
        checkout.touch(number, year)
    return warm(checkout, *NOTHING)


def bounds(folder: Path) -> None:
    """100 images against the bounds."""
    checkout = made(folder / "100", 100)
    commands = {"render --check": ("render", "--check"), "plan": ("plan", "--set", "all"), "build": NOTHING}
    calls: dict[str, Callable[[], float]] = {"python": lambda: busy(PYTHON)}
    for name, words in commands.items():
        calls[f"{name}, cold"] = partial(cold, checkout, *words)
        calls[f"{name}, warm"] = partial(warm, checkout, *words)
    in_turn(calls, 1)
    rounds = in_turn(calls, ROUNDS)
    python = median(rounds, "python") * 1000
    say("python -c pass", f"{python:.0f} ms")
    for name in list(calls)[1:]:
        spent = median(rounds, name) * 1000
        bound = {"render --check, cold": 150, "render --check, warm": 60}.get(name)
        what = f"{name}, 100 images, the process"
        if bound:
            at_most(what, spent, bound, "ms", 0)
        else:
            say(what, f"{spent:.0f} ms")
    at_most(
        "  nothing changed, 100 images: beyond Python's start",
        median(rounds, "build, warm") * 1000 - python,
        150,
        "ms",
        0,
    )


def growth(folder: Path) -> None:
    """How the time of a build grows."""
    calls: dict[str, Callable[[], float]] = {}
    for size in SIZES:
        checkout = made(folder / str(size), size)
        for count in CHANGED:
            if count * 3 <= size:
                calls[f"{size} images, {count * 3} changed"] = partial(changed, checkout, count)
    in_turn(calls, 1)
    rounds = in_turn(calls, GROWTH_ROUNDS)
    for name in calls:
        say(f"build, {name}", f"{median(rounds, name) * 1000:.0f} ms")
    first, last = SIZES[0], SIZES[-1]
    say(
        f"  3 changed of {last} images, in 3 changed of {first}",
        f"{ratio(rounds, f'{last} images, 3 changed', f'{first} images, 3 changed'):.2f} ×",
    )


def main() -> None:
    """Measure and print."""
    started("plan, render, nothing changed")
    with tempfile.TemporaryDirectory() as folder:
        bounds(Path(folder))
        growth(Path(folder))


if __name__ == "__main__":
    main()
