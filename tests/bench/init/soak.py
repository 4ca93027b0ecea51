"""The soak of the init: many clients, every way in which an invoke can end, and each answer held against its event.

    python tests/bench/init/soak.py [--minutes 10] [--clients 64] [--environments 4] [--init PATH] [--json OUT]
    python tests/bench/init/soak.py --requests 10000

Successes, errors of the function, timeouts (of one second), runtimes that end, and events of 6 MB are mixed. No
request may be lost, hang, be answered wrongly or twice, or run twice; and at the end the init must hold no more
goroutines, threads and file descriptors than after a short run. With --requests, so many plain events are sent by 2
clients, then by 8, then by 64, and each body is compared. Prints a summary in JSON; exits with 1 when something is not
as it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from emulator import Bootstrap, Emulator, EmulatorError, launch, measure, running, stop_on_sigterm
from kit import STATE, KitError, prepare_soak

from imagemill.errors import ImagemillError

CROWDS = (2, 8, 64)
BASELINE_SECONDS = 5.0
"""How long the short run is that the long one is held against."""
SETTLE_SECONDS = 5.0
TAIL = 16 << 20
"""How much is kept of what the init writes; a dump of thousands of goroutines is smaller."""

MORE_DESCRIPTORS, MORE_GOROUTINES, MORE_THREADS = 4, 8, 16
"""By how much a count may differ from the short run's: what is under way differs, a leak does not stop."""


class Tail:
    """The end of what is written into a pipe."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self._reader = os.fdopen(reading, "rb", buffering=0)
        self.writer = os.fdopen(writing, "wb", buffering=0)
        self._chunks: deque[bytes] = deque()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        kept = 0
        while chunk := self._reader.read(1 << 16):
            self._chunks.append(chunk)
            kept += len(chunk)
            while kept > TAIL:
                kept -= len(self._chunks.popleft())

    def finish(self) -> str:
        """The text, after every writer has gone."""
        self.writer.close()
        self._thread.join(SETTLE_SECONDS)
        self._reader.close()
        return b"".join(self._chunks).decode(errors="replace")


class Soak:
    """The runs and what they found."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.init, self.load, self.bootstrap = prepare_soak(given.init)
        self.given = given
        self.ledger = folder / "ledger"
        self.violations: list[str] = []

    def run(self) -> dict[str, Any]:
        """The short run, then the long one, each in an init of its own."""
        baseline = self._stage(BASELINE_SECONDS, "the short run")
        long = self._stage(self.given.minutes * 60, "the long run")
        for what, more in (
            ("goroutines", MORE_GOROUTINES),
            ("threads", MORE_THREADS),
            ("descriptors", MORE_DESCRIPTORS),
        ):
            before, after = baseline[what], long[what]
            if after > before + more:
                self.violations.append(f"{what} grow: {before} after the short run, {after} after the long one")
        return {"short": baseline, "long": long}

    def _stage(self, seconds: float, name: str) -> dict[str, Any]:
        environ = {
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "1",
            "DOCKER_LAMBDA_CONCURRENCY": str(self.given.environments),
            "BENCH_BEHAVIOUR": "mixed",
            "BENCH_LEDGER": str(self.ledger),
        }
        self.ledger.write_bytes(b"")
        launched = launch("init", self.init, Bootstrap((str(self.bootstrap),)), "handler", environ)
        tail = Tail()
        try:
            with running(launched, STATE, tail.writer) as emulator:
                found = self._mixed(emulator, seconds)
                found |= self._counts(emulator)
                self._judge(found, emulator, name)
                if emulator.alive():
                    emulator.quit()
        finally:
            text = tail.finish()
        found["goroutines"] = sum(line.startswith("goroutine ") for line in text.splitlines())
        if not found["goroutines"]:
            self.violations.append(f"{name}: SIGQUIT brought no list of goroutines; the log ends: {text[-500:]}")
        return found

    def _mixed(self, emulator: Emulator, seconds: float) -> dict[str, Any]:
        plan = ("-clients", str(self.given.clients), "-seconds", str(seconds), "-seed", str(self.given.seed))
        return measure(self.load, "soak", "-url", emulator.url, "-ledger", str(self.ledger), *plan)

    def _counts(self, emulator: Emulator) -> dict[str, Any]:
        """File descriptors and threads, when they fall no more."""
        if not emulator.alive():
            return {"descriptors": 0, "threads": 0}
        until = time.monotonic() + SETTLE_SECONDS
        lowest, since = emulator.descriptors(), time.monotonic()
        while time.monotonic() < until and time.monotonic() - since < SETTLE_SECONDS / 5:
            time.sleep(0.05)
            if (now := emulator.descriptors()) < lowest:
                lowest, since = now, time.monotonic()
        return {"descriptors": lowest, "threads": emulator.threads(), "resident_mb": round(emulator.resident(), 2)}

    def _judge(self, found: dict[str, Any], emulator: Emulator, name: str) -> None:
        self.violations += [f"{name}: {count} × {fault}" for fault, count in found["faults"].items() if count]
        self.violations += [f"{name}: {example}" for example in found.get("examples", [])]
        missing = [do for do in ("echo", "error", "large", "exit", "timeout") if not found["asked"].get(do)]
        if missing and name == "the long run":
            self.violations.append(f"{name} was too short to ask for: {', '.join(missing)}")
        if not emulator.alive():
            self.violations.append(f"{name}: the init has ended")

    def crowds(self) -> dict[str, Any]:
        """Plain events from 2, 8 and 64 clients, one init for all."""
        found = {}
        launched = launch("init", self.init, Bootstrap((str(self.bootstrap),)), "handler", {})
        with running(launched, STATE) as emulator:
            for clients in CROWDS:
                plan = ("-clients", str(clients), "-requests", str(self.given.requests))
                result = measure(self.load, "load", "-url", emulator.url, *plan)
                found[f"{clients} clients"] = result
                if result["ok"] != self.given.requests or result["errors"] or result["mismatches"]:
                    self.violations.append(f"{clients} clients: {json.dumps(result)}")
            if not emulator.alive():
                self.violations.append("the init has ended")
        return found


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Soak the init, and check every answer.")
    parser.add_argument("--minutes", type=float, default=10, help="how long the long run lasts")
    parser.add_argument("--clients", type=int, default=64, help="how many clients there are")
    parser.add_argument("--environments", type=int, default=4, help="how many runtimes may work at the same time")
    parser.add_argument("--requests", type=int, help="instead: send so many plain events from 2, 8 and 64 clients")
    parser.add_argument("--init", type=Path, help="the binary, instead of compiling it")
    parser.add_argument("--seed", type=int, help="what the order of the events comes from")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the summary to this file too")
    given = parser.parse_args()
    if given.minutes <= 0 or min(given.clients, given.environments) < 1 or (given.requests or 1) < 1:
        parser.error("--minutes, --clients, --environments and --requests must be above zero")
    given.seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    return given


def main() -> int:
    """Soak and print."""
    given = arguments()
    stop_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak = Soak(given, Path(folder))
        found = soak.crowds() if given.requests else {"seed": given.seed, **soak.run()}
    summary = json.dumps({**found, "violations": soak.violations}, indent=2)
    print(summary)
    if given.json:
        given.json.write_text(summary + "\n")
    return int(bool(soak.violations))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KitError, EmulatorError, ImagemillError) as error:
        sys.exit(f"soak: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
