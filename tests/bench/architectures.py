"""Another architecture than this machine's: `python tests/bench/architectures.py [--quick]`.

- Against this machine's own: the image made from cached downloads in a fresh state, but for the cache of Go's compiler;
  in processor time, since both do the same work.
- Against emulation: the image, downloads included, and the packages that it is made of installed by mmdebstrap and
  dpkg under qemu, which takes minutes (`--quick` leaves it out). As root on Debian; what is missing is installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path

from measure import (
    ROOT,
    CommandFailed,
    at_most,
    busy,
    found,
    fresh,
    in_turn,
    left_out,
    median,
    ratio,
    say,
    seconds,
    started,
)

from imagemill.load import load
from imagemill.lock import read
from imagemill.mirrors import Mirrors
from imagemill.plan import plan, select
from imagemill.platforms import PLATFORMS, Platform, native

IMAGE = "python3.13"
ROUNDS = 3
TOOLS = ("mmdebstrap", "arch-test")


def clean(platform: Platform) -> float:
    """Seconds of processor time to make the image from cached downloads."""
    with fresh("cache", "go") as place:
        return busy(place.build("--platform", str(platform), IMAGE), place.environ)


def cold(platform: Platform) -> float:
    """Seconds to make the image, nothing being there."""
    with fresh() as place:
        return seconds(place.build("--platform", str(platform), IMAGE), place.environ)


def emulated(platform: Platform) -> float:
    """Seconds to install the same packages, and what dpkg needs to install any, under emulation."""
    [image] = select(plan(load(ROOT)), [IMAGE])
    lock = read(ROOT / "runtimes" / "lock" / f"{image.base.name}.json")
    sets = (image.base.name, image.runtime.name)
    names = [package.name for one in sets for package in lock.inputs(one, platform.arch).debian]
    suite = image.base.name.rpartition("-")[2]
    words = ["mmdebstrap", "--mode=root", "--variant=essential", f"--architectures={platform.arch}"]
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder, "root.tar"))
        return seconds([*words, f"--include={','.join(names)}", suite, target, Mirrors.discover(os.environ).debian])


def ready(platform: Platform) -> str:
    """Why packages cannot be installed under emulation; empty where they can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in TOOLS if not found(name)]
    if missing and shutil.which("apt-get"):
        print(f"installing (apt-get): {' '.join(missing)}", flush=True)
        subprocess.run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing], check=False)
        missing = [name for name in TOOLS if not found(name)]
    if missing:
        return f"no {' and no '.join(missing)}"
    if subprocess.run(["arch-test", platform.arch], capture_output=True, check=False).returncode:
        return f"this kernel runs no {platform.arch} programs; tests/engines.sh has it do so"
    return ""


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true", help="leave out emulation")
    given = arguments.parse_args()
    started("another architecture")
    here = native()
    other = next(one for one in PLATFORMS.values() if one != here and not one.port)
    rounds = in_turn({one.arch: partial(clean, one) for one in (here, other)}, ROUNDS)
    for platform in (here, other):
        say(f"{IMAGE}, {platform.arch}, downloads cached", f"{median(rounds, platform.arch):.1f} s", "of the processor")
    at_most(f"  {other.arch} in {here.arch}'s", ratio(rounds, other.arch, here.arch), 1.3)
    if given.quick:
        return
    if why := ready(other):
        left_out(f"{IMAGE}, {other.arch}, its packages under emulation", why)
        return
    try:
        rounds = in_turn({"ours": partial(cold, other), "emulated": partial(emulated, other)}, 1)
    except CommandFailed as error:
        left_out(f"{IMAGE}, {other.arch}, its packages under emulation", str(error))
        return
    say(f"{IMAGE}, {other.arch}, downloads included: ours", f"{median(rounds, 'ours'):.1f} s")
    say(f"{IMAGE}, {other.arch}, its packages under emulation", f"{median(rounds, 'emulated'):.1f} s")
    at_most("  ours in emulation's", ratio(rounds, "ours", "emulated"), 0.1, digits=3)


if __name__ == "__main__":
    main()
