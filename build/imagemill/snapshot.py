"""The whole plan of a checkout as it was last derived, found again by the hash of every file that it came from.

A snapshot is never right or wrong by its age: any other byte in any of the files is another key. Where only
manifests of runtimes have changed since the last one, only what these describe is derived again.
"""

from __future__ import annotations

import datetime
import gc
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagemill import origin
from imagemill.builder import go_version
from imagemill.paths import MANIFEST, PARSED
from imagemill.whole import replace_file

_KEPT = 4  # branches that one goes to and fro between


@dataclass(frozen=True)
class Snapshot:
    """What every image's row of the plan is, and the SHA-256 of each file of the committed render.

    `deprecated` maps names to the ISO date of their runtime's end, `unavailable` is as `plan.unavailable` has it.
    `manifests` and `common` say what all of it came from, as in a Source.
    """

    rows: Sequence[Mapping[str, Any]]
    golden: Mapping[str, str]
    deprecated: Mapping[str, str]
    unavailable: Sequence[Mapping[str, str]]
    manifests: Mapping[str, str]
    common: str

    def of(self, which: str, today: datetime.date) -> list[Mapping[str, Any]]:
        """The rows of a set: `all`, or `default` without runtimes that AWS has deprecated by `today`."""
        if which == "all":
            return list(self.rows)
        old = {name for name, date in self.deprecated.items() if date <= today.isoformat()}
        return [row for row in self.rows if row["name"] not in old]

    @property
    def hashes(self) -> dict[str, str]:
        """The input hash of each image by its name, as it is under the committed lock; none where there is no lock."""
        return {row["name"]: row["input_hash"] for row in self.rows if row["input_hash"]}


@dataclass(frozen=True)
class Source:
    """What the plan of a checkout is derived from.

    `common` is the hash of all that every image may depend on: `epoch` (SOURCE_DATE_EPOCH, None where it is not
    set), the engine, the libraries, and each file but the runtimes' manifests, whose hashes are in `manifests`.
    """

    root: Path
    state: Path
    epoch: int | None
    engine: str
    manifests: Mapping[str, str]
    common: str

    @property
    def key(self) -> str:
        """One word for all of it."""
        return hashlib.sha256(json.dumps([self.common, *sorted(self.manifests.items())]).encode()).hexdigest()


def source(root: Path, state: Path, epoch: int | None = None, engine: str = "embedded") -> Source:
    """What the plan of the checkout at `root` is derived from now; `state` is where the factory keeps things."""
    files = origin.current(root, state)
    libraries = sorted(name for place in sys.path for name in _listed(place) if name.endswith(".dist-info"))
    around = [files.common, libraries, go_version(), sys.version, epoch, engine]
    common = hashlib.sha256(json.dumps(around).encode()).hexdigest()
    return Source(root, state, epoch, engine, files.manifests, common)


def read(state: Path, name: str) -> Snapshot | None:
    """The snapshot with this key, None when there is none (or none that can be read)."""
    try:
        return Snapshot(**json.loads((state / "plans" / f"{name}.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def keep(state: Path, name: str, snapshot: Snapshot) -> None:
    """Keep a snapshot, in one step, and only the latest few."""
    import msgspec  # who finds a snapshot goes without

    folder = state / "plans"
    replace_file(folder / f"{name}.json", msgspec.json.encode(snapshot))
    for old in _by_age(folder)[_KEPT:]:
        old.unlink(missing_ok=True)


def derive(source: Source, before: Snapshot | None = None) -> Snapshot:
    """Load, plan, render and hash: what has changed since `before`, and everything without it.

    Raises what these raise.
    """
    gc.disable()  # all that is made here stays until the end; looking for garbage takes a tenth of the time
    try:
        return _derived(source, before)
    finally:
        gc.enable()


def _derived(source: Source, before: Snapshot | None) -> Snapshot:
    from msgspec.structs import asdict

    from imagemill import catalog, show
    from imagemill.plan import plan, unavailable
    from imagemill.render import Renderer, golden

    manifests = catalog.current(source.root, source.state / PARSED)
    images = plan(manifests)
    same = _same(source, before) if before is not None else {}
    renderer = Renderer(source.root, engine=source.engine, epoch=source.epoch)
    rendered = [renderer.render(image) for image in images if image.name not in same]
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in golden(rendered).items()}
    if before is not None:
        hashes |= {name: value for name, value in before.golden.items() if name.partition("/")[0] in same}
    rows = same | {row["name"]: row for row in show.rows(source.root, rendered, renderer)}
    return Snapshot(
        rows=[rows[image.name] for image in images],
        golden=hashes,
        deprecated={image.name: image.runtime.deprecated.isoformat() for image in images if image.runtime.deprecated},
        unavailable=[asdict(one) for one in unavailable(manifests)],
        manifests=source.manifests,
        common=source.common,
    )


def _same(source: Source, before: Snapshot) -> dict[str, Mapping[str, Any]]:
    """The rows of before that are still true: nothing but manifests has changed, and not the one of their runtime."""
    if before.common != source.common:
        return {}
    unchanged = {name for name, value in before.manifests.items() if source.manifests.get(name) == value}
    return {row["name"]: row for row in before.rows if f"{row['runtime']}{MANIFEST}" in unchanged}


def current(root: Path, state: Path, epoch: int | None = None, engine: str = "embedded") -> Snapshot:
    """The snapshot of the checkout as it is now: kept, or made from the latest that is alike, and kept."""
    now = source(root, state, epoch, engine)
    found = read(state, now.key)
    if found is None:
        others = (read(state, path.stem) for path in _by_age(state / "plans"))
        before = next((one for one in others if one is not None and one.common == now.common), None)
        found = derive(now, before)
        keep(state, now.key, found)
    return found


def _by_age(folder: Path) -> list[Path]:
    """The snapshots that are kept, the latest first."""
    return sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)


def drift(folder: Path, golden: Mapping[str, str]) -> list[str]:
    """How `folder` differs from the files that it should hold (path -> SHA-256): missing, stale, untracked."""
    present = {name: entry.path for name, entry in origin.walk(folder, "")}
    problems = [f"missing: {name}" for name in sorted(golden.keys() - present.keys())]
    problems += [f"untracked: {name}" for name in sorted(present.keys() - golden.keys())]
    problems += [
        f"stale: {name}"
        for name in sorted(golden.keys() & present.keys())
        if hashlib.sha256(origin.content(present[name])).hexdigest() != golden[name]
    ]
    return problems


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder or ".")  # noqa: PTH208 - pathlib takes as long as all the reading
    except OSError:
        return []  # sys.path may name archives and what is not there
