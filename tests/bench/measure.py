"""What the rows of the benchmarks have in common: fresh states, commands timed in turn, a line for each figure.

Only ratios within one run mean anything on a machine that others share; so what is compared takes turns, and a figure
is the median of what each round says.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATE = Path(os.environ.get("IMAGEMILL_STATE") or ROOT / ".imagemill").absolute()
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as for anybody who uses it, modules are compiled once
MILL = (sys.executable, "-m", "imagemill")
PYTHON = (sys.executable, "-c", "pass")


class CommandFailed(Exception):
    """A command that was to be measured did not succeed; the message ends as its stderr does."""


@dataclass(frozen=True)
class Fresh:
    """A state directory of its own, and a dist in it. `environ` has imagemill use the state."""

    state: Path
    environ: Mapping[str, str]

    @property
    def dist(self) -> Path:
        """Where artifacts go."""
        return self.state / "dist"

    def build(self, *words: str) -> list[str]:
        """The command that builds into it, and loads nothing into an engine."""
        return [*MILL, "build", "--no-load", "--dist", str(self.dist), *words]


@contextmanager
def fresh(*kept: str, base: Mapping[str, str] = os.environ) -> Iterator[Fresh]:
    """A fresh state, with links to these folders of the checkout's own (`cache`); it is removed at the end."""
    STATE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=STATE, prefix="bench-", ignore_cleanup_errors=True) as folder:
        for name in kept:
            (STATE / name).mkdir(exist_ok=True)
            Path(folder, name).symlink_to(STATE / name)
        yield Fresh(Path(folder), {**base, "IMAGEMILL_STATE": folder})


def run(argv: Sequence[str | Path], environ: Mapping[str, str] | None = None, cwd: Path = ROOT) -> str:
    """What a command prints; CommandFailed where it does not succeed."""
    done = subprocess.run(argv, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        words = " ".join(map(str, argv[:6]))
        raise CommandFailed(f"{words} … ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def timed(call: Callable[[], object]) -> float:
    """The wall time of a call, in seconds."""
    started = time.monotonic()
    call()
    return time.monotonic() - started


def seconds(argv: Sequence[str | Path], environ: Mapping[str, str] | None = None, cwd: Path = ROOT) -> float:
    """The wall time of a command, which must succeed."""
    return timed(lambda: run(argv, environ, cwd))


def busy(argv: Sequence[str | Path], environ: Mapping[str, str] | None = None, cwd: Path = ROOT) -> float:
    """Seconds of processor time that a command takes, with all that it starts and waits for.

    For what computes in one thread and waits for nothing, this is its wall time on a machine that has nothing else
    to do.
    """
    begun = _spent()
    run(argv, environ, cwd)
    return _spent() - begun


def _spent() -> float:
    """Seconds of processor time of all commands so far; os.times() counts in hundredths."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


Rounds = Sequence[Mapping[str, float]]


def in_turn(calls: Mapping[str, Callable[[], float]], rounds: int) -> Rounds:
    """What each of the calls says, once a round; every round begins with another one."""
    names = list(calls)
    turns = [[names[(start + n) % len(names)] for n in range(len(names))] for start in range(rounds)]
    return [{name: calls[name]() for name in turn} for turn in turns]


def median(rounds: Rounds, name: str) -> float:
    """The median of one of them."""
    return statistics.median(row[name] for row in rounds)


def ratio(rounds: Rounds, one: str, other: str) -> float:
    """The median of the ratios inside the rounds."""
    return statistics.median(row[one] / row[other] for row in rounds)


def say(what: str, figure: str, bound: str = "", kept: bool | None = None) -> None:
    """Print a line: what was measured, the figure, and the bound where there is one."""
    verdict = "" if kept is None else "ok" if kept else "MISSED"
    print(f"{what:<66} {figure:>11}  {bound:<10} {verdict}".rstrip(), flush=True)


def at_most(what: str, figure: float, bound: float, unit: str = "×", digits: int = 2) -> None:
    """Print a figure that may be this large."""
    say(what, f"{figure:.{digits}f} {unit}", f"≤ {bound:g} {unit}", figure <= bound)


def at_least(what: str, figure: float, bound: float, unit: str = "×", digits: int = 2) -> None:
    """Print a figure that may be this small."""
    say(what, f"{figure:.{digits}f} {unit}", f"≥ {bound:g} {unit}", figure >= bound)


def machine() -> str:
    """A few words on what this runs on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores ({model}), {memory / 1e6:.0f} GB; load {load:.1f} at the start"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def started(title: str) -> None:
    """Print what follows, when, and on which machine."""
    print(f"\n{title}: {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, {machine()}", flush=True)


def left_out(what: str, why: str) -> None:
    """Print that something was not measured."""
    say(what, "-", f"not measured: {why}")


def found(program: str) -> bool:
    """Whether a program is there, those of administrators included."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
