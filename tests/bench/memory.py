"""The memory of a build: `python tests/bench/memory.py [--jobs N] [--engine NAME] [IMAGE...]`.

Of each engine, while it builds a small and the largest build image from cached downloads in a fresh state: the most
that any one process of ours had resident, and the most that all processes of the build together had at one time (files
that they map count, shared pages once), those of compilers and of buildah included. Docker's daemon is no part of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from engines import programs, with_daemon
from measure import ROOT, CommandFailed, at_most, found, fresh, left_out, say, started

from imagemill.dist import Dist

MOST = 400  # MB
_EVERY = 0.2  # seconds between two looks
SMALL = "provided.al2023"


@dataclass
class Peak:
    """The most that was seen so far, in bytes: of each process by its id, and of all together."""

    program: dict[int, str] = field(default_factory=dict)
    resident: dict[int, int] = field(default_factory=dict)
    together: int = 0

    def look(self, top: int) -> None:
        """Look at a process and all that it started."""
        now = 0
        for pid in _family(top):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
                shares = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:  # it has ended
                continue
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            if "VmHWM" in fields:
                self.program[pid] = fields["Name"].strip()
                self.resident[pid] = _bytes(fields["VmHWM"])
            now += sum(_bytes(line.partition(":")[2]) for line in shares.splitlines() if line.startswith("Pss:"))
        self.together = max(self.together, now)

    def biggest(self, *, python: bool) -> tuple[str, int]:
        """Program and bytes of the biggest process that runs Python, as ours do, or of another."""
        chosen = {pid: size for pid, size in self.resident.items() if self.program[pid].startswith("python") == python}
        if not chosen:
            return "", 0
        pid = max(chosen, key=chosen.__getitem__)
        return self.program[pid], chosen[pid]


def _bytes(text: str) -> int:
    return int(text.split()[0]) * 1024


def _family(top: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - this is looked at while others work
        try:
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        children.setdefault(int(fields[1]), []).append(int(name))
    members = [top]
    for pid in members:
        members += children.get(pid, [])
    return members


def watched(argv: Sequence[str], environ: Mapping[str, str]) -> Peak:
    """Run a command, which must succeed, and look at it until it ends."""
    peak = Peak()
    with subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            peak.look(process.pid)
            time.sleep(_EVERY)
        assert process.stderr is not None
        said = process.stderr.read().decode()
    if process.returncode:
        raise CommandFailed(said[-2000:])
    return peak


def largest() -> str:
    """The largest build image that is in dist."""
    sizes = {
        name: max(built.size for built in artifact.platforms.values())
        for name, artifact in Dist(ROOT / "dist").read().items()
        if name.startswith("build-")
    }
    return max(sizes, key=sizes.__getitem__, default="build-python3.13-debian")


def report(engine: str, image: str, environ: Mapping[str, str], jobs: int) -> None:
    """Build one image and print what it took."""
    with fresh("cache", "go", base=environ) as place:
        words = place.build("--engine", engine, *(["--jobs", str(jobs)] if jobs else []), image)
        try:
            peak = watched(words, place.environ)
        except CommandFailed as error:
            left_out(f"{image}, {engine}", str(error))
            return
    _, ours = peak.biggest(python=True)
    name, theirs = peak.biggest(python=False)
    at_most(f"{image}, {engine}: the biggest process of ours", ours / 1e6, MOST, "MB", 0)
    if theirs:
        say(f"  the biggest of others ({name})", f"{theirs / 1e6:.0f} MB")
    say("  all processes at one time", f"{peak.together / 1e6:.0f} MB")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--jobs", type=int, default=0, help="layers made at once; default: as a build chooses")
    arguments.add_argument("--engine", choices=["embedded", "buildah", "docker"], help="this one only")
    arguments.add_argument("images", nargs="*")
    given = arguments.parse_args()
    started("memory of a build")
    images = given.images or [f"build-{SMALL}", largest()]
    with ExitStack() as stack:
        environs: dict[str, Mapping[str, str]] = {"embedded": os.environ}
        if found("buildah"):
            environs["buildah"] = os.environ
        else:
            left_out("buildah", "not installed")
        tools = programs()
        if tools is not None:  # the store of old: see docs/builder.md
            environs["docker"] = stack.enter_context(with_daemon(tools, containerd=False))
        if given.engine:
            environs = {name: environ for name, environ in environs.items() if name == given.engine}
        for image in images:
            for engine, environ in environs.items():
                report(engine, image, environ, given.jobs)


if __name__ == "__main__":
    main()
