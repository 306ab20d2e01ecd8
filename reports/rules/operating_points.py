"""Points of error, time and memory at which a method can be run, and which of them are worth their cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.results.record import Record, Value
from bench.results.statistics.intervals import LEVEL
from reports.rules.comparability import aggregations, headline
from reports.rules.names import untrained

FRONT = (
    "Front: what costs more in time or memory is on it only where its error is shown to be lower, by the paired "
    "difference (5 % each), than that of everything on it that costs no more. Trainings of one seed each are not "
    "compared, so they cannot keep each other off it."
)


class OperatingPoint(NamedTuple):
    """A record under one aggregation that looks at no ground truth; ``place``: (error in mm, ms per frame, MB).

    A cost that is not known is NaN, and decides nothing.
    """

    record: Record
    value: Value
    place: tuple[float, float, float]

    @property
    def position(self) -> tuple[float, float]:
        """(cost, error) in a figure."""
        return self.place[1], self.place[0]


def operating_points(records: Sequence[Record]) -> list[OperatingPoint]:
    """All measured points, in order of time."""
    found = []
    for record in records:
        memory = math.nan if record.cost.memory_mb is None else record.cost.memory_mb
        for aggregation, kind in aggregations(record):
            value = record.value("mpjpe", aggregation)
            if value is not None and kind in ("deterministic", "deployable"):
                place = value.action_mean, record.cost.ms_per_frame(aggregation), memory
                found.append(OperatingPoint(record, value, place))
    return sorted(found, key=lambda point: point.place[1])


def headline_point(record: Record, cost: Callable[[Record], float]) -> OperatingPoint | None:
    """The headline of a record, unless it is not finite, uses ground truth, or is of untrained weights."""
    value = record.value("mpjpe", headline(record))
    if value is None or untrained(record) or value.kind not in ("deterministic", "deployable"):
        return None
    known = 0 < (spent := cost(record)) < math.inf and math.isfinite(value.action_mean)
    return OperatingPoint(record, value, (value.action_mean, spent, math.nan)) if known else None


def on_front(points: Sequence[OperatingPoint]) -> set[int]:
    """Indices of the points that are worth their cost (``FRONT``)."""
    front: list[int] = []
    by_cost = sorted(range(len(points)), key=lambda index: (points[index].place[1:], points[index].place[0]))
    for index in by_cost:  # whatever is as cheap as a point comes before it
        if not any(_makes_needless(points[other], points[index]) for other in front):
            front.append(index)
    return set(front)


def _makes_needless(other: OperatingPoint, point: OperatingPoint) -> bool:
    """Whether ``other`` costs no more in anything, and ``point`` is known not to be shown better."""
    if any(its > own for its, own in zip(other.place[1:], point.place[1:], strict=True)):
        return False
    gap = point.record.difference(point.value, other.record, other.value)
    if gap is None or gap.unknown:
        return False
    return gap.difference >= 0 or gap.p_value > 1 - LEVEL
