"""What functions do in every runtime, as a matrix, and the file in which a test suite leaves it for reports."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from imagemill.errors import LayoutError
from imagemill.reports.summary import Behaviour, Judged, Outcome, printable

FORMAT = 1

MARKS: Mapping[Outcome, str] = {"fail": "✗", "inapplicable": "–", "pass": "✓"}
_REMEDY = "remove it, and run the tests of the images again"


@dataclass(frozen=True)
class Row:
    """One runtime on one platform: what came of each case, None for one that was not tried."""

    runtime: str
    platform: str
    cells: tuple[Behaviour | None, ...]


@dataclass(frozen=True)
class Reason:
    """Why a case does not apply, and to which runtimes."""

    case: str
    reason: str
    runtimes: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """Runtimes × cases."""

    cases: tuple[str, ...]
    rows: tuple[Row, ...]
    reasons: tuple[Reason, ...]


class _File(Struct, frozen=True):
    format: int
    behaviours: tuple[Behaviour, ...]


def matrix(behaviours: Iterable[Behaviour]) -> Matrix:
    """The behaviours as rows and columns, both sorted."""
    found: dict[tuple[str, str], dict[str, Behaviour]] = {}
    reasons: dict[tuple[str, str], set[str]] = {}
    for behaviour in sorted(behaviours):
        found.setdefault((behaviour.runtime, behaviour.platform), {})[behaviour.case] = behaviour
        if behaviour.status == "inapplicable":
            reasons.setdefault((behaviour.case, printable(behaviour.reason)), set()).add(behaviour.runtime)
    cases = tuple(sorted({case for row in found.values() for case in row}))
    rows = (Row(*key, tuple(row.get(case) for case in cases)) for key, row in sorted(found.items()))
    return Matrix(cases, tuple(rows), tuple(Reason(*key, tuple(sorted(r))) for key, r in sorted(reasons.items())))


def about(behaviours: Iterable[Behaviour], images: Iterable[Judged]) -> tuple[Behaviour, ...]:
    """Those that are about the very bytes of these images: what an image did before it was built anew says nothing."""
    digests = {judged.digest for judged in images}
    return tuple(sorted(behaviour for behaviour in behaviours if behaviour.digest in digests))


def write(path: Path, behaviours: Iterable[Behaviour]) -> None:
    """Leave behaviours in a file, in one step. Those that are there of the same images and other cases stay."""
    kept = {(row.image, row.platform, row.case): row for row in read(path)}
    for row in behaviours:
        kept = {
            key: old for key, old in kept.items() if key[:2] != (row.image, row.platform) or old.digest == row.digest
        }
        kept[row.image, row.platform, row.case] = row
    data = msgspec.to_builtins(_File(FORMAT, tuple(sorted(kept.values()))))
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    staging.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    staging.replace(path)


def read(path: Path) -> tuple[Behaviour, ...]:
    """What `write` left; nothing where there is no file. LayoutError for a damaged one."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return ()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LayoutError(f"{path} is damaged: {error}", _REMEDY) from None
    if found.format != FORMAT:
        raise LayoutError(f"{path} is of format {found.format}, not {FORMAT}", _REMEDY)
    return found.behaviours
