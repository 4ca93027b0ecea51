"""The init against AWS's Runtime Interface Emulator (RIE), both in one run.

    python tests/bench/init/bench.py [--rounds 12] [--quick] [--init PATH] [--rie PATH] [--json OUT] [--gate]

Absolute times wander with the machine, so what is judged are ratios: in each round all peers run one after the other,
in an order drawn anew, and a ratio is taken inside a round. The rows give the median over the rounds, and the range.
Our init is measured as docker-lambda's (which is what counts) and under RIE's name (for information), with its normal
log lines and with timeouts on. Everybody writes its log to /dev/null.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from emulator import (
    Bootstrap,
    Emulator,
    EmulatorError,
    Kind,
    Launch,
    Runtime,
    launch,
    measure,
    running,
    stop_on_sigterm,
)
from kit import RIC, SAM_CLI, STATE, Kit, KitError, prepare
from rows import Demand, Row, table

from imagemill.errors import ImagemillError

KINDS: tuple[Kind, ...] = ("init", "init as rie", "rie")
RUNTIMES: tuple[Runtime, ...] = ("go", "python")
MIDDLE, LARGE = 256 * 1024, 6 * 1024 * 1024
ENVIRONMENTS, HANDLER_MS = 64, 50
INVOKES = 10_000

# docker-lambda's own init is not built here. Measured earlier in one run, with 64 clients it gave 1116 good answers a
# second, and RIE, which takes but one client, gave 5043. This run's figure of RIE times that ratio stands for it. It is
# the highest ratio of the measurements there were, so the hardest to beat tenfold.
DOCKER_LAMBDA_TO_RIE = 1116 / 5043

T = TypeVar("T")
Peer = tuple[Kind, Runtime]
"""Who is measured, and with which runtime."""


@dataclass
class Samples:
    """What was measured: for each figure, one value a round; and what went wrong."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    wrong: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, name: str, value: float) -> None:
        """Note a value of this round."""
        self.figures.setdefault(name, []).append(value)


class Bench:
    """One run of the benchmark."""

    def __init__(self, kit: Kit, rounds: int, quick: bool, seed: int) -> None:
        self.kit = kit
        self.rounds = rounds
        self.seconds = 0.3 if quick else 0.8
        self.random = random.Random(seed)  # noqa: S311 - an order, not a secret
        self.samples = Samples()
        link = STATE / "aws-lambda-rie"
        link.unlink(missing_ok=True)
        link.symlink_to(kit.init)
        self._binary: dict[Kind, Path] = {"init": kit.init, "init as rie": link, "rie": kit.rie}
        path = ":".join(str(folder) for folder in kit.modules)
        self._bootstrap: dict[Runtime, tuple[Bootstrap, str]] = {
            "go": (Bootstrap((str(kit.bootstrap),)), "handler"),
            "python": (Bootstrap((str(kit.python), "-m", "awslambdaric"), {"PYTHONPATH": path}), "app.handler"),
        }

    def launch(self, peer: Peer, **environ: str) -> Launch:
        """How to start a peer."""
        kind, runtime = peer
        bootstrap, handler = self._bootstrap[runtime]
        return launch(kind, self._binary[kind], bootstrap, handler, environ)

    def load(self, peer: Peer, emulator: Emulator, *arguments: str) -> dict[str, Any]:
        """Load a peer; every answer is checked."""
        result = measure(self.kit.load, "load", "-url", emulator.url, *arguments)
        if wrong := result["errors"] + result["mismatches"]:
            who = " with ".join(peer)
            self.samples.wrong += wrong
            self.samples.errors.append(f"{who}: {wrong} of {result['requests']} are wrong: {result.get('note')}")
            if peer[0] == "rie" or not result["ok"]:
                raise EmulatorError(self.samples.errors[-1])
        return result

    def mixed(self, what: Sequence[T]) -> list[T]:
        """The order of one round."""
        return self.random.sample(what, len(what))

    def warm(self) -> None:
        """100 bytes, one client."""
        for peer in self.mixed(list(product(KINDS, RUNTIMES))):
            with running(self.launch(peer), STATE) as emulator:
                found = self.load(peer, emulator, "-warmup", "300", "-seconds", str(self.seconds))
            for percentile in ("p50", "p99"):
                self.samples.add(key(percentile, peer), found[percentile])

    def sizes(self) -> None:
        """Large events, one client."""
        for kind in self.mixed(KINDS):
            peer: Peer = (kind, "go")
            with running(self.launch(peer), STATE) as emulator:
                for size in (MIDDLE, LARGE):
                    plan = ("-size", str(size), "-warmup", "3", "-seconds", str(self.seconds))
                    self.samples.add(key(f"{size} B", peer), self.load(peer, emulator, *plan)["p50"])

    def crowd(self) -> None:
        """64 clients and one environment; RIE, which ends itself when there are two, gets one."""
        for kind in self.mixed(KINDS):
            peer: Peer = (kind, "go")
            with running(self.launch(peer), STATE) as emulator:
                clients = "1" if kind == "rie" else "64"
                found = self.load(peer, emulator, "-clients", clients, "-warmup", "20", "-seconds", str(self.seconds))
            self.samples.add(key("rate", peer), found["rate"])

    def environments(self) -> None:
        """64 clients and 64 environments, with a handler that waits."""
        peer: Peer = ("init", "go")
        environ = {"DOCKER_LAMBDA_CONCURRENCY": str(ENVIRONMENTS), "BENCH_SLEEP_MS": str(HANDLER_MS)}
        with running(self.launch(peer, **environ), STATE) as emulator:
            plan = ("-clients", str(ENVIRONMENTS), "-warmup", "2", "-seconds", "2")
            rate = self.load(peer, emulator, *plan)["rate"]
        self.samples.add("environments", rate / (ENVIRONMENTS * 1000 / HANDLER_MS))

    def cold(self) -> None:
        """From the start of the process to the first answer, and to the first open port."""
        for peer in self.mixed(list(product(KINDS, RUNTIMES))):
            launched = self.launch(peer)
            command = [str(self.kit.load), "first", "-url", launched.url, "-exec", "--", *launched.command]
            done = subprocess.run(command, env=launched.environ, cwd=STATE, capture_output=True, text=True, check=False)
            if done.returncode:
                raise EmulatorError(f"{peer}: {done.stderr.strip()}")
            found = json.loads(done.stdout)
            self.samples.add(key("first", peer), found["first"])
            self.samples.add(key("listening", peer), found["listening"])

    def memory(self) -> None:
        """Resident memory: idle, and after 10,000 and 20,000 invokes, the second half from 64 clients."""
        for kind in self.mixed(KINDS):
            peer: Peer = (kind, "go")
            with running(self.launch(peer), STATE) as emulator:
                time.sleep(0.3)  # what it does at its start is part of idling
                found = [emulator.resident()]
                for clients in ("1", "1" if kind == "rie" else "64"):
                    self.load(peer, emulator, "-clients", clients, "-requests", str(INVOKES))
                    found.append(emulator.resident())
            for name, value in zip(("idle", "10k", "20k"), found, strict=True):
                self.samples.add(key(name, peer), value)
            self.samples.add(key("growth", peer), found[2] - found[1])

    def run(self) -> None:
        """Every measurement, in rounds."""
        half, few = max(2, self.rounds // 2), max(1, self.rounds // 4)
        plan: list[tuple[Callable[[], None], int]] = [
            *((self.warm, self.rounds), (self.cold, self.rounds * 2), (self.sizes, half)),
            *((self.crowd, half), (self.environments, few), (self.memory, few)),
        ]
        for step, rounds in plan:
            for number in range(rounds):
                progress(f"{step.__name__} {number + 1} of {rounds}")
                step()
        progress("")

    def ratios(self, name: str, runtime: Runtime, kind: Kind, scale: float = 1) -> list[float]:
        """One kind's values in parts of RIE's, round by round."""
        figures = self.samples.figures
        pairs = zip(figures[key(name, (kind, runtime))], figures[key(name, ("rie", runtime))], strict=True)
        return [ours / (theirs * scale) for ours, theirs in pairs]

    def rows(self) -> Iterator[Row]:
        """The demands, and what was found."""
        for name, demand, runtime in RATIOS:
            yield Row.of(demand, self.ratios(name, runtime, "init"))
        tenfold = Demand("64 clients ÷ docker-lambda's init (reckoned)", "×", 10, sense="at least")
        yield Row.of(tenfold, self.ratios("rate", "go", "init", DOCKER_LAMBDA_TO_RIE))
        what = f"{ENVIRONMENTS} environments of {HANDLER_MS} ms ÷ ideal"
        yield Row.of(Demand(what, "×", 0.94, sense="at least"), self.samples.figures["environments"])
        for name, demand in MEMORY:
            yield Row.of(demand, self.samples.figures[key(name, ("init", "go"))])
        size = self.kit.init.stat().st_size / 1e6
        yield Row.of(Demand("size of the binary", "MB", 6.5, 3.5), [size])
        yield Row.of(Demand("wrong or missing answers, all measurements", "", 0), [self.samples.wrong])
        for name, demand, runtime in RATIOS:
            plain = Demand(f"as RIE: {demand.name}", demand.unit, sense=demand.sense)
            yield Row.of(plain, self.ratios(name, runtime, "init as rie"))
        for name, demand in MEMORY:
            yield Row.of(Demand(f"RIE's own: {demand.name}", "MB"), self.samples.figures[key(name, ("rie", "go"))])

    def absolute(self) -> Iterator[Row]:
        """What the ratios were taken of."""
        units = {"p50": "µs", "p99": "µs", "first": "ms", "listening": "ms", "rate": "/s"}
        for name, values in sorted(self.samples.figures.items()):
            what = name.partition(",")[0]
            if unit := units.get(what, "µs" if what.endswith(" B") else ""):
                yield Row.of(Demand(name, unit), values)


RATIOS: tuple[tuple[str, Demand, Runtime], ...] = (
    ("p50", Demand("warm p50, 100 B ÷ RIE", "×", 0.60, 0.40), "go"),
    ("p99", Demand("warm p99, 100 B ÷ RIE", "×", 0.5, 0.25), "go"),
    ("p50", Demand("warm p50, awslambdaric ÷ RIE", "×", 0.65, 0.45), "python"),
    (f"{MIDDLE} B", Demand("256 KiB p50 ÷ RIE", "×", 0.55), "go"),
    (f"{LARGE} B", Demand("6 MB p50 ÷ RIE", "×", 0.55), "go"),
    ("first", Demand("start to first response, Go ÷ RIE", "×", 0.5), "go"),
    ("first", Demand("start to first response, awslambdaric ÷ RIE", "×", 0.85, 0.65), "python"),
    ("rate", Demand("64 clients ÷ RIE with one client", "×", 2, sense="at least"), "go"),
)
MEMORY = (
    ("idle", Demand("VmRSS, idle", "MB", 7)),
    ("10k", Demand("VmRSS, after 10,000 invokes", "MB", 12)),
    ("20k", Demand("VmRSS, after 20,000 invokes", "MB", 12)),
    ("growth", Demand("VmRSS, growth in the second 10,000", "MB", 2)),
)


def key(name: str, peer: Peer) -> str:
    """The name of a peer's figure."""
    return f"{name}, {peer[0]} with {peer[1]}"


def progress(text: str) -> None:
    """Say on a terminal what is being done."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure the init against AWS's Runtime Interface Emulator.")
    parser.add_argument("--rounds", type=int, default=12, help="how often the warm figures are taken; others follow it")
    parser.add_argument("--quick", action="store_true", help="three short rounds, to see that it works")
    parser.add_argument("--init", type=Path, help="the binary to measure, instead of compiling it")
    parser.add_argument("--rie", type=Path, help="RIE's binary, instead of fetching it")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the rows and every sample to this file")
    parser.add_argument("--seed", type=int, help="what the order in the rounds comes from")
    parser.add_argument("--gate", action="store_true", help="exit with 1 when a must is missed")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error("--rounds must be at least 1")
    if given.quick:
        given.rounds = min(given.rounds, 3)
    given.seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    return given


def main() -> int:
    """Measure and print."""
    given = arguments()
    stop_on_sigterm()
    kit = prepare(given.init, given.rie)
    version = subprocess.run([kit.python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"init {kit.init}; RIE of {SAM_CLI}; {next(iter(RIC))} on {kit.python} ({version})")
    print(f"{given.rounds} rounds, --seed {given.seed}\n", flush=True)
    bench = Bench(kit, given.rounds, given.quick, given.seed)
    bench.run()
    rows, absolute = list(bench.rows()), list(bench.absolute())
    print(table(rows), table(absolute), sep="\n\n")
    for error in bench.samples.errors:
        print(error)
    if given.json:
        found = {"seed": given.seed, "rounds": given.rounds, "rows": [row.as_json() for row in rows]}
        text = json.dumps({**found, "samples": bench.samples.figures, "errors": bench.samples.errors}, indent=2)
        given.json.write_text(text + "\n")
    return int(given.gate and any(row.missed for row in rows))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KitError, EmulatorError, ImagemillError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
