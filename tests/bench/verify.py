"""Verifying one tag of a small image, beyond Python's start: `python tests/bench/verify.py`.

The image, of two platforms, is signed and attested as published ones are; every check is made. The registry is in this
process, so its own time is not in the processor time of the command.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path

from measure import ROOT, at_most, busy, in_turn, median, say, started

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "unit")]
from signed_images import TAG, Made  # noqa: E402
from small_registry import SmallRegistry  # noqa: E402

ROUNDS = 9


def main() -> None:
    """Measure and print."""
    started("verify one tag of a small image")
    with tempfile.TemporaryDirectory() as folder, closing(SmallRegistry()) as registry:
        made = Made(registry, Path(folder, "made")).pushed(TAG).signed()
        environ = {**os.environ, "HOME": folder, "IMAGEMILL_STATE": str(Path(folder, "state"))}
        key = str(made.key_file)
        verify = [sys.executable, "-m", "imagemill", "verify", made.reference, "--key", key]
        bundle = str(Path(folder, "image.bundle"))
        calls = {
            "python": partial(busy, [sys.executable, "-c", "pass"], environ),
            "verify": partial(busy, verify, environ),
            "bundle": partial(busy, [*verify[:3], "bundle", made.reference, "--key", key, "--out", bundle], environ),
            "offline": partial(busy, [*verify, "--offline", bundle], environ),
        }
        calls["bundle"]()
        in_turn(calls, 1)
        rounds = in_turn(calls, ROUNDS)
    start = median(rounds, "python")
    say("Python's start", f"{start:.3f} s")
    at_most("verify, from a registry, beyond it", median(rounds, "verify") - start, 0.3, "s", 3)
    at_most("verify, from a bundle, beyond it", median(rounds, "offline") - start, 0.3, "s", 3)
    say("bundle, beyond it", f"{median(rounds, 'bundle') - start:.3f} s")


if __name__ == "__main__":
    main()
