"""Nothing changed, 100 images, against `docker buildx bake` of cached targets: `python tests/bench/nothing.py`.

The targets are what `imagemill bake` writes for the same images, Dockerfiles as they are, with layers of one small
file. The daemon is one of our own (see engines.py), with everything in its cache.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from engines import programs, with_daemon
from measure import CommandFailed, at_most, in_turn, left_out, median, ratio, run, say, seconds, started
from multiplied import made

IMAGES = 100
ROUNDS = 3
AT_ONCE = 10


def fill(docker: Mapping[str, str], contexts: Path) -> None:
    """Have everything in BuildKit's cache: a few images at a time, since with all at once it loses sight of some."""
    names = json.loads((contexts / "docker-bake.json").read_text())["group"]["default"]["targets"]
    for start in range(0, len(names), AT_ONCE):
        run(["docker", "buildx", "bake", *names[start : start + AT_ONCE]], docker, contexts)


def main() -> None:
    """Measure and print."""
    started("nothing changed, against docker buildx bake")
    tools = programs()
    if tools is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        checkout = made(Path(folder, "checkout"), IMAGES)
        contexts = Path(folder, "contexts")
        run(checkout.command("bake", "--set", "all", "--out", str(contexts)), checkout.environ, checkout.root)
        with with_daemon(tools) as docker:
            ours = checkout.command("build", "--set", "all", "--no-load")
            bake = ["docker", "buildx", "bake"]
            calls = {
                "ours": partial(seconds, ours, checkout.environ, checkout.root),
                "bake": partial(seconds, bake, docker, contexts),
            }
            try:
                fill(docker, contexts)
                in_turn(calls, 1)
                rounds = in_turn(calls, ROUNDS)
            except CommandFailed as failed:  # BuildKit gives up on so many targets where the machine is slow
                left_out(f"docker buildx bake of {IMAGES} cached targets", str(failed).strip().rpartition("\n")[2])
                return
    say(f"nothing changed, {IMAGES} images: ours", f"{median(rounds, 'ours'):.2f} s")
    say(f"nothing changed, {IMAGES} images: docker buildx bake", f"{median(rounds, 'bake'):.2f} s")
    at_most("  ours in bake's", ratio(rounds, "ours", "bake"), 0.05, digits=3)


if __name__ == "__main__":
    main()
