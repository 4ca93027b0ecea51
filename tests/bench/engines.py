"""Our engine against BuildKit: `python tests/bench/engines.py`. Two questions, in a Docker daemon of our own.

- python3.13, run, both architectures: both execute one Dockerfile on the same layer archives and write an OCI layout.
  Ours is the whole command, BuildKit's `docker buildx build` with a daemon that is up.
- The whole of ours, layers included, from cached downloads in a fresh state but for the cache of Go's compiler.

The daemon comes from Debian's packages (tests/images/containerd_docker.py) and needs root; else these are left out.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from measure import (
    MILL,
    ROOT,
    STATE,
    Fresh,
    at_most,
    fresh,
    in_turn,
    left_out,
    median,
    ratio,
    run,
    say,
    seconds,
    started,
)

sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "images"))
import containerd_docker

from imagemill.errors import ImagemillError

IMAGE = "python3.13"
ROUNDS = 5
CLEAN_ROUNDS = 3


def programs() -> Path | None:
    """Docker's programs, or None where they cannot be had, after saying so."""
    if os.geteuid() != 0:
        left_out("BuildKit", "only root can start a Docker daemon")
        return None
    try:
        return containerd_docker.install(STATE, os.environ)
    except ImagemillError as error:
        left_out("BuildKit", str(error))
        return None


def with_daemon(tools: Path, *, containerd: bool = True) -> AbstractContextManager[Mapping[str, str]]:
    """A daemon of these programs; the environment in which `docker` finds it."""
    return containerd_docker.daemon(tools, os.environ, containerd=containerd)


def ours(place: Fresh) -> float:
    """Seconds to make the image of layers that are there, in an empty dist."""
    shutil.rmtree(place.dist, ignore_errors=True)
    return seconds(place.build(IMAGE), place.environ)


def theirs(docker: Mapping[str, str], context: Path, out: Path) -> float:
    """Seconds for BuildKit to do it, with nothing cached but the context it was sent before."""
    shutil.rmtree(out, ignore_errors=True)
    words = ["docker", "buildx", "build", "--no-cache", "--provenance=false", "--platform=linux/amd64,linux/arm64"]
    return seconds([*words, f"--output=type=oci,tar=false,dest={out}", str(context)], docker)


def clean() -> float:
    """Seconds to make it with its layers, from downloads; Go's compiler has its cache."""
    with fresh("cache", "go") as place:
        return seconds(place.build(IMAGE), place.environ)


def main() -> None:
    """Measure and print."""
    started("BuildKit and the embedded engine")
    tools = programs()
    if tools is None:
        return
    with tempfile.TemporaryDirectory() as folder, fresh("cache") as place:
        run(place.build(IMAGE), place.environ)
        run([*MILL, "context", "--out", folder, IMAGE], place.environ)
        [context] = Path(folder).iterdir()
        with with_daemon(tools) as docker:
            calls = {
                "ours": partial(ours, place),
                "BuildKit": partial(theirs, docker, context, Path(folder, "out")),
            }
            for call in calls.values():
                call()
            rounds = in_turn(calls, ROUNDS)
            whole = in_turn({"clean": clean, "BuildKit": calls["BuildKit"]}, CLEAN_ROUNDS)
    say(f"{IMAGE}, both architectures, layers there: ours", f"{median(rounds, 'ours'):.2f} s")
    say(f"{IMAGE}, both architectures, layers there: BuildKit", f"{median(rounds, 'BuildKit'):.2f} s")
    at_most("  ours in BuildKit's", ratio(rounds, "ours", "BuildKit"), 0.6, digits=3)
    at_most(f"{IMAGE}, both architectures, layers made anew: ours", median(whole, "clean"), 6, "s", 1)
    say("  ours with its layers, in BuildKit's without", f"{ratio(whole, 'clean', 'BuildKit'):.2f} ×")


if __name__ == "__main__":
    main()
