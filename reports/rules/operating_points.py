"""Points of error, time and memory at which a method can be run, and what a frame takes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.results.record import Record, Value
from bench.results.statistics.pareto import pareto_front
from reports.rules.comparability import aggregations


class OperatingPoint(NamedTuple):
    """A record under one aggregation that looks at no ground truth; ``place``: (error in mm, ms per frame, MB)."""

    record: Record
    value: Value
    place: tuple[float, float, float]


def operating_points(records: Sequence[Record]) -> list[OperatingPoint]:
    """All measured points, in order of time."""
    found = []
    for record in records:
        for aggregation, kind in aggregations(record):
            value = record.value("mpjpe", aggregation)
            if value is not None and kind in ("deterministic", "deployable"):
                place = value.action_mean, record.cost.ms_per_frame(aggregation), record.cost.peak_memory_mb
                found.append(OperatingPoint(record, value, place))
    return sorted(found, key=lambda point: point.place[1])


def on_front(points: Sequence[OperatingPoint]) -> set[int]:
    """Indices of the points that no other one dominates in error, time and memory."""
    return set(pareto_front([point.place for point in points]))
