"""The whole plan of a checkout as it was last derived, found again by the hash of every file that it came from.

Reading and hashing these files takes a tenth of the time that parsing, rendering and hashing parts does. A snapshot
is never right or wrong by its age: any other byte in any of the files is another key.
"""

from __future__ import annotations

import datetime
import gc
import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imagemill.builder import go_version

_FOLDERS = ("runtimes", "templates", "build")
_KEPT = 4  # branches that one goes to and fro between


@dataclass(frozen=True)
class Snapshot:
    """What every image's row of the plan is, and the SHA-256 of each file of the committed render.

    `deprecated` maps names to the ISO date of their runtime's end, `unavailable` is as `plan.unavailable` has it.
    """

    rows: Sequence[Mapping[str, Any]]
    golden: Mapping[str, str]
    deprecated: Mapping[str, str]
    unavailable: Sequence[Mapping[str, str]]

    def of(self, which: str, today: datetime.date) -> list[Mapping[str, Any]]:
        """The rows of a set: `all`, or `default` without runtimes that AWS has deprecated by `today`."""
        if which == "all":
            return list(self.rows)
        old = {name for name, date in self.deprecated.items() if date <= today.isoformat()}
        return [row for row in self.rows if row["name"] not in old]


def key(root: Path, epoch: int | None, engine: str = "embedded") -> str:
    """Hash of all that the plan of the checkout at `root` is derived from."""
    digest = hashlib.sha256()
    for folder in _FOLDERS:
        for name, path, executable in sorted(_files(f"{root}/{folder}", folder)):
            content = _content(path)
            digest.update(f"{name}\0{executable}\0{len(content)}\0".encode())
            digest.update(content)
    libraries = sorted(name for place in sys.path for name in _listed(place) if name.endswith(".dist-info"))
    digest.update(json.dumps([libraries, go_version(), sys.version, epoch, engine]).encode())
    return digest.hexdigest()


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
    folder.mkdir(parents=True, exist_ok=True)
    staging = folder / f".{name}.{os.getpid()}"
    staging.write_bytes(msgspec.json.encode(snapshot))
    staging.replace(folder / f"{name}.json")
    by_age = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in by_age[_KEPT:]:
        old.unlink(missing_ok=True)


def derive(root: Path, epoch: int | None, engine: str) -> Snapshot:
    """Load, plan, render and hash everything. Raises what these raise."""
    gc.disable()  # all that is made here stays until the end; looking for garbage takes a tenth of the time
    try:
        return _derived(root, epoch, engine)
    finally:
        gc.enable()


def _derived(root: Path, epoch: int | None, engine: str) -> Snapshot:
    from imagemill import show
    from imagemill.load import load
    from imagemill.plan import plan, unavailable
    from imagemill.render import Renderer, golden

    catalog = load(root)
    images = plan(catalog)
    renderer = Renderer(root, engine=engine, epoch=epoch)
    rendered = [renderer.render(image) for image in images]
    return Snapshot(
        rows=show.rows(root, rendered, renderer),
        golden={name: hashlib.sha256(content).hexdigest() for name, content in golden(rendered).items()},
        deprecated={image.name: image.runtime.deprecated.isoformat() for image in images if image.runtime.deprecated},
        unavailable=[asdict(one) for one in unavailable(catalog)],
    )


def current(root: Path, state: Path, epoch: int | None = None, engine: str = "embedded") -> Snapshot:
    """The snapshot of the checkout as it is now: kept, or made and kept."""
    name = key(root, epoch, engine)
    found = read(state, name)
    if found is None:
        found = derive(root, epoch, engine)
        keep(state, name, found)
    return found


def drift(folder: Path, golden: Mapping[str, str]) -> list[str]:
    """How `folder` differs from the files that it should hold (path -> SHA-256): missing, stale, untracked."""
    present = {name: entry.path for name, entry in _walk(folder, "")}
    problems = [f"missing: {name}" for name in sorted(golden.keys() - present.keys())]
    problems += [f"untracked: {name}" for name in sorted(present.keys() - golden.keys())]
    problems += [
        f"stale: {name}"
        for name in sorted(golden.keys() & present.keys())
        if hashlib.sha256(_content(present[name])).hexdigest() != golden[name]
    ]
    return problems


def _files(folder: str, name: str) -> Iterator[tuple[str, str, bool]]:
    """Files below a folder that can matter: name, path, and whether it is executable."""
    for found, entry in _walk(folder, f"{name}/", without=("__pycache__", "testdata")):
        if not found.endswith(("_test.go", ".pyc")):
            yield found, entry.path, bool(entry.stat().st_mode & 0o100)


def _walk(folder: str | Path, prefix: str, without: Collection[str] = ()) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All files below a folder with their paths below it; pathlib takes as long for it as all the reading."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield prefix + entry.name, entry
            elif entry.name not in without:
                yield from _walk(entry.path, f"{prefix}{entry.name}/", without)


def _content(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - pathlib takes twice as long
        return file.read()


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder or ".")  # noqa: PTH208 - pathlib takes as long as all the reading
    except OSError:
        return []  # sys.path may name archives and what is not there
