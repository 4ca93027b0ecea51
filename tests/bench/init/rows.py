"""The rows of the benchmark: what is demanded, what was found, and the table of both."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Sense = Literal["at most", "at least"]


@dataclass(frozen=True)
class Demand:
    """What a figure must be; without a target it is for information only."""

    name: str
    unit: str
    target: float | None = None
    stretch: float | None = None
    sense: Sense = "at most"


@dataclass(frozen=True)
class Row:
    """A figure that was found: the median of the rounds and their range."""

    demand: Demand
    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, demand: Demand, values: Sequence[float]) -> Row:
        """The row of one value a round."""
        return cls(demand, statistics.median(values), min(values), max(values), len(values))

    def reaches(self, bound: float | None) -> bool:
        """Whether the median is on the right side of a bound."""
        if bound is None:
            return False
        return self.median <= bound if self.demand.sense == "at most" else self.median >= bound

    @property
    def missed(self) -> bool:
        """Whether a must is missed."""
        return self.demand.target is not None and not self.reaches(self.demand.target)

    @property
    def verdict(self) -> str:
        """The row's last word."""
        if self.demand.target is None:
            return ""
        if self.missed:
            return "MISSED"
        return "met, and the stretch" if self.reaches(self.demand.stretch) else "met"

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        return {**asdict(self), "verdict": self.verdict}


def table(rows: Iterable[Row]) -> str:
    """The rows for people to read."""
    cells = [("what", "median", "min – max", "target", "stretch", "")]
    cells += [_cells(row) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = []
    for line in cells:
        padded = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:5], widths[1:], strict=True)),
        ]
        lines.append("  ".join([*padded, line[5]]).rstrip())
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, str, str, str, str, str]:
    demand = row.demand
    sign = "≤" if demand.sense == "at most" else "≥"
    bounds = [f"{sign} {figure(bound)}" if bound is not None else "" for bound in (demand.target, demand.stretch)]
    span = f"{figure(row.low)} – {figure(row.high)}" if row.rounds > 1 else ""
    return (demand.name, f"{figure(row.median)} {demand.unit}".rstrip(), span, bounds[0], bounds[1], row.verdict)


def figure(value: float) -> str:
    """A number with as many digits as it deserves."""
    if value == int(value):
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"
