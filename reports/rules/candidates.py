"""Measured points of error, time and memory, and which of them are on the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from bench.results.record import Record, Value
from reports.rules.comparability import aggregations

if TYPE_CHECKING:
    pass


class Candidate(NamedTuple):
    """A measured point: (error in mm, ms per frame, MB) of a record under one aggregation."""

    record: Record
    value: Value
    place: tuple[float, float, float]


def candidates(records: Sequence[Record]) -> list[Candidate]:
    """All measured points, in order of time."""
    found = []
    for record in records:
        for aggregation, kind in aggregations(record):
            value = record.value("mpjpe", aggregation)
            if value is not None and kind in ("deterministic", "deployable"):
                place = value.action_mean, _milliseconds(record, aggregation), record.cost.peak_memory_mb
                found.append(Candidate(record, value, place))
    return sorted(found, key=lambda candidate: candidate.place[1])


def front(places: Sequence[tuple[float, ...]]) -> list[int]:
    """Indices of the places that no other one dominates; lower is better everywhere. Equal ones stand together."""
    return [
        index
        for index, place in enumerate(places)
        if not any(other != place and all(a <= b for a, b in zip(other, place, strict=True)) for other in places)
    ]


def _milliseconds(record: Record, aggregation: str | None) -> float:
    cost = record.cost
    return cost.latency.ms_per_frame + cost.aggregation_ms.get(aggregation or "", 0.0) / cost.latency.frames
