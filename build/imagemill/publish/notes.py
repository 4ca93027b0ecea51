"""Release notes: for each image what changed since it was released before, and on top what changed in all of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from imagemill.diff import Change, Diff, diff, open_layout
from imagemill.dist import Artifact, Dist
from imagemill.errors import ImagemillError
from imagemill.publish.record import Release, Released, order
from imagemill.spool import Layers

State = Literal["changed", "rebuilt", "new", "unchanged", "not compared"]

Pull = Callable[[str, Path, Path], Path]
"""Pulls `repository@digest` into a folder, taking from a layout what it has already. Returns the layout of it."""


@dataclass(frozen=True)
class Noted:
    """One image: what it is called, its digests and bytes to pull by platform, and what changed on each platform.

    Of a new image, what was before is empty. `rebuilt` is one whose digest alone is another. `why` says what kept it
    from being compared.
    """

    image: str
    state: State
    after: Mapping[str, int]
    digest: str
    before: Mapping[str, int] = field(default_factory=dict)
    digest_before: str = ""
    diffs: Mapping[str, Diff] = field(default_factory=dict)
    why: str = ""

    def changes(self, kind: Literal["environment", "configuration", "packages", "tools"]) -> dict[Change, list[str]]:
        """Each change of a kind, with the platforms that have it."""
        found: dict[Change, list[str]] = {}
        for platform, one in sorted(self.diffs.items()):
            for change in getattr(one, kind):
                found.setdefault(change, []).append(platform)
        return dict(sorted(found.items(), key=lambda row: row[0].what))


@dataclass(frozen=True)
class Notes:
    """The notes of a release: `since` are the dates that it is compared with, `gone` what is released no longer."""

    date: str
    since: tuple[str, ...]
    images: tuple[Noted, ...]
    gone: tuple[str, ...] = ()


def notes(
    date: str,
    artifacts: Sequence[Artifact],
    planned: Iterable[str],
    dist: Dist,
    records: Sequence[Release],
    pull: Pull,
    say: Callable[[str], None],
) -> Notes:
    """Compare artifacts, each with the newest record that has it, by the names of images.

    `planned` are all images that there are. What can no longer be had of a registry is not compared, and said.
    """
    rows, since = [], set()
    for artifact in artifacts:
        record = next((one for one in records if artifact.name in one.images), None)
        if record is not None:
            since.add(record.date)
        rows.append(_noted(artifact, dist, record.images[artifact.name] if record else None, pull, say))
    last = records[0].images if records else {}
    gone = sorted(set(last) - set(planned) - {artifact.name for artifact in artifacts})
    return Notes(date, tuple(sorted(since, key=order)), tuple(sorted(rows, key=lambda row: row.image)), tuple(gone))


def _noted(artifact: Artifact, dist: Dist, before: Released | None, pull: Pull, say: Callable[[str], None]) -> Noted:
    name = artifact.tags[-1]
    after = {platform: built.size for platform, built in artifact.platforms.items()}
    if before is None:
        return Noted(name, "new", after, artifact.digest)
    if before.digest == artifact.digest:
        return Noted(name, "unchanged", after, artifact.digest, before.sizes, before.digest)
    say(f"comparing {name}")
    try:
        diffs = dict(_diffs(artifact, dist, before, pull))
    except ImagemillError as error:
        say(f"{name}: {error.message}")
        return Noted(name, "not compared", after, artifact.digest, before.sizes, before.digest, why=error.message)
    same = all(one.same for one in diffs.values()) and before.platforms.keys() == artifact.platforms.keys()
    state: State = "rebuilt" if same else "changed"
    return Noted(name, state, after, artifact.digest, before.sizes, before.digest, diffs)


def _diffs(artifact: Artifact, dist: Dist, before: Released, pull: Pull) -> Iterator[tuple[str, Diff]]:
    """What changed on each platform that both have."""
    for platform, built in sorted(artifact.platforms.items()):
        digest = before.platforms.get(platform, "")
        if not digest:
            continue
        here = dist.layout(artifact.name, platform.partition("/")[2])
        with (
            tempfile.TemporaryDirectory(prefix="imagemill-notes-") as folder,
            Layers(Path(folder, "layers")) as layers,
        ):
            there = here if digest == built.digest else _pulled(before, digest, Path(folder), here, pull)
            one, other = (open_layout(path, layers, platform=platform) for path in (there, here))
            yield platform, diff(one, other)


def _pulled(before: Released, digest: str, folder: Path, here: Path, pull: Pull) -> Path:
    """An image that was released, from the first repository that still has it."""
    repositories = list(dict.fromkeys(tag.rpartition(":")[0] for tag in before.tags))
    error = ImagemillError(f"{digest} was released to no repository")
    for repository in repositories:
        try:
            return pull(f"{repository}@{digest}", folder, here)
        except ImagemillError as failed:
            error = failed
    raise error
