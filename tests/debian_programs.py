"""Programs out of Debian's packages of any suite, for tests alone: taken from the archive, verified, not installed.

They need nothing but a C library that is at least as new as theirs was when they were linked, so they run from any
folder. Which versions there are depends on the suite; what was there once stays until the suite has a newer one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imagemill.assemble import deb
from imagemill.fetch import Cache, Fetcher
from imagemill.lock import DebianPackage
from imagemill.mirrors import Mirrors
from imagemill.platforms import native
from imagemill.resolve.debian import read_archive, read_releases
from imagemill.web import Web

POCKETS = {"trixie": ("updates", "security")}
"""Of the suites that have any."""


@dataclass(frozen=True)
class Wanted:
    """Programs of one suite: package -> where a program is in it -> where it goes."""

    suite: str
    programs: Mapping[str, Mapping[str, str]]


def install(wanted: Wanted, name: str, state: Path, environ: Mapping[str, str]) -> Path:
    """A folder below `state` with these programs. What is not in the cache is downloaded and verified."""
    mirrors, cache = Mirrors.discover(environ), Cache(state / "cache")
    packages = _packages(wanted, mirrors, cache)
    folder = state / "tests" / f"{name}-{'-'.join(package.sha256[:8] for package in packages)}"
    if folder.is_dir():
        return folder
    Fetcher(cache, mirrors, lambda _: None).fetch(packages)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        staging = Path(scratch, "bin")
        for package in packages:
            tree = deb.unpack(cache.item(package), Path(scratch, package.name)).tree
            for path, place in wanted.programs[package.name].items():
                target = staging / place
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(tree[path].read())
                target.chmod(0o755)
        staging.rename(folder)
    return folder


def _packages(wanted: Wanted, mirrors: Mirrors, cache: Cache) -> list[DebianPackage]:
    """The newest of these packages in the suite."""
    web = Web(mirrors)
    setting = mirrors.environ.get("IMAGEMILL_DEBIAN_KEYRING")
    keyring = Path(setting) if setting else None
    pockets = POCKETS.get(wanted.suite, ())
    releases = read_releases(wanted.suite, pockets, web=web, mirror=mirrors.archive, keyring=keyring)
    archive = read_archive(releases, native().arch, web=web, cache=cache, mirror=mirrors.archive, say=lambda _: None)
    return [archive.candidates[name].package for name in wanted.programs]
