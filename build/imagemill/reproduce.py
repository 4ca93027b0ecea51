"""Building an image again where nothing is as it was, and saying what is not the same.

Another directory, another umask, time zone, language and hash seed, an empty store of layers: only the verified
downloads are taken from the cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagemill.compare import Difference, compare
from imagemill.dist import Artifact, Dist
from imagemill.errors import EngineError, SelectionError
from imagemill.factory import Paths
from imagemill.oci import Layout
from imagemill.plan import Image

Build = Callable[[Path, Sequence[str], str, Sequence[str]], Dist]
"""Builds, below an empty directory, images (by name) with an engine for platforms. Returns its dist."""

_UMASKS = (0o077, 0o002)
_ZONES = ("Pacific/Kiritimati", "America/St_Johns")  # 14 hours ahead, 3.5 behind: another day, another minute
_LANGUAGES = ("tr_TR.UTF-8", "C")  # i is not lower-case I in Turkish
_SEEDS = ("4294967295", "1")


@dataclass(frozen=True)
class Outcome:
    """What became of one image: the digests that were wanted and that came out, and the differences by platform."""

    name: str
    wanted: str
    got: str
    differences: Mapping[str, Sequence[Difference]]
    same_inputs: bool

    @property
    def same(self) -> bool:
        """Whether the image was reproduced."""
        return self.wanted == self.got


def reproduce(images: Sequence[Image], dist: Dist, build: Build, place: Path, digest: str = "") -> list[Outcome]:
    """Build images again below the empty directory `place` and compare them with `dist`, or with `digest`.

    `digest` (`sha256:…`) is that of a published index, or of one platform's manifest. Raises SelectionError for an
    image that is not in dist when there is no digest to compare with.
    """
    record = dist.read()
    missing = [image.tags[-1] for image in images if image.name not in record]
    if missing and not digest:
        raise SelectionError(f"{', '.join(missing)}: not in {dist.path}", "build it first, or give --digest")
    found = []
    for image in images:
        before = record.get(image.name)
        engine = before.engine if before else "embedded"
        platforms = sorted(before.platforms) if before and not digest else ()
        fresh = build(place / image.name, [image.name], engine, platforms)
        found.append(_outcome(image.name, before, fresh.read()[image.name], dist, fresh, place, digest))
    return found


def _outcome(
    name: str, before: Artifact | None, after: Artifact, dist: Dist, fresh: Dist, place: Path, digest: str
) -> Outcome:
    if digest in {after.digest, *(built.digest for built in after.platforms.values())}:
        return Outcome(name, digest, digest, {}, True)
    known = before is not None and digest in {"", before.digest, *(one.digest for one in before.platforms.values())}
    if before is None or not known:  # nothing to look into
        return Outcome(name, digest, after.digest, {}, True)
    differences = {}
    for platform in sorted(before.platforms.keys() & after.platforms.keys()):
        arch = platform.partition("/")[2]
        if before.platforms[platform].digest != after.platforms[platform].digest:
            old, new = Layout(dist.layout(name, arch)), Layout(fresh.layout(name, arch))
            differences[platform] = compare(old, new, place / "compared")
    return Outcome(name, digest or before.digest, after.digest, differences, before.input_hash == after.input_hash)


def elsewhere(paths: Paths, environ: Mapping[str, str]) -> Build:
    """A builder that runs a copy of the checkout in a process of its own, in surroundings of its own."""

    def build(place: Path, names: Sequence[str], engine: str, platforms: Sequence[str]) -> Dist:
        root = place / "a checkout elsewhere"
        for folder in ("runtimes", "templates", "build"):
            shutil.copytree(paths.root / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
        state = place / "state"
        state.mkdir()
        paths.cache.mkdir(parents=True, exist_ok=True)
        (state / "cache").symlink_to(paths.cache)
        if (paths.state / "refreshed").is_dir():
            shutil.copytree(paths.state / "refreshed", state / "refreshed")
        command = [sys.executable, "-m", "imagemill", "--root", str(root), "build", "--no-load", "--engine", engine]
        command += ["--dist", str(place / "dist"), *(word for name in platforms for word in ("--platform", name))]
        done = subprocess.run(
            [*command, *names],
            cwd=place,
            env=surroundings(environ) | {"PYTHONPATH": str(root / "build"), "IMAGEMILL_STATE": str(state)},
            umask=_UMASKS[1] if _umask() == _UMASKS[0] else _UMASKS[0],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise EngineError(f"building {', '.join(names)} again failed:\n{done.stderr.strip()[-4000:]}")
        return Dist(place / "dist")

    return build


def surroundings(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which nothing that should not matter is as in `environ`."""
    others = {"TZ": _ZONES, "LANG": _LANGUAGES, "LC_ALL": _LANGUAGES, "PYTHONHASHSEED": _SEEDS}
    changed = {name: choice[1] if environ.get(name) == choice[0] else choice[0] for name, choice in others.items()}
    return {**environ, **changed, "PYTHONDONTWRITEBYTECODE": "1"}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
