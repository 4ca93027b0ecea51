"""A build that has nothing to do, known without loading what builds: the plan's snapshot against dist's record."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagemill.dist import Artifact, Built, Dist


@dataclass(frozen=True)
class Kept:
    """An image that is there already; looks like a factory.Result."""

    artifact: Artifact
    reused: bool = True
    seconds: float = 0.0


def unchanged(
    rows: Sequence[Mapping[str, Any]], dist: Dist, *, engine: str, platforms: Collection[str]
) -> list[Kept] | None:
    """All images of these rows of the plan, when every one is in `dist` as a build would leave it now; else None.

    None is no verdict: the factory looks again, more closely, and says what is wrong with a damaged record.
    """
    try:
        record = json.loads(dist.record.read_bytes())["images"]
        artifacts = [_artifact(record[row["name"]]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    for row, artifact in zip(rows, artifacts, strict=True):
        wanted = {name for name in row["platforms"] if not platforms or name in platforms}
        same = artifact.input_hash == row["input_hash"] and artifact.engine == engine
        if not (same and wanted <= set(artifact.platforms)):
            return None  # before anything on disk is looked at
    return [Kept(artifact) for artifact in artifacts] if all(map(dist.holds, artifacts)) else None


def _artifact(row: Mapping[str, Any]) -> Artifact:
    built = {name: Built(**one) for name, one in row["platforms"].items()}
    return Artifact(**{**row, "tags": tuple(row["tags"]), "platforms": built})
