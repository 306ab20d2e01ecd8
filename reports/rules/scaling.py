"""Series of measurements along one axis, and the power laws fitted to them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.results.record import Record
from reports.rules.names import untrained

if TYPE_CHECKING:
    pass


T_975 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
"""Student's t at 97.5 % for 1 to 10 degrees of freedom."""


class Place(NamedTuple):
    """Where on the axes a record lies; the names of the fields are printed."""

    frames: int
    hypotheses: int
    steps: int
    batch: int
    workers: int


AXES = {
    "frames": "Frames F",
    "hypotheses": "Hypotheses H",
    "steps": "Steps K",
    "batch": "Windows in a batch",
    "workers": "Workers",
}


class Fit(NamedTuple):
    """``factor * x ** exponent``; ``half``: of the exponent's 95 % interval, None for two points."""

    exponent: float
    half: float | None
    factor: float


class Series(NamedTuple):
    """Records of one method along one axis, in order."""

    axis: str
    records: list[Record]

    def positions(self) -> list[int]:
        return [getattr(place(record), self.axis) for record in self.records]

    def fit(self, quantity: Callable[[Record], float | None]) -> Fit | None:
        """Of a quantity, where it is known and positive in two or more places."""
        known = [
            (x, y) for x, record in zip(self.positions(), self.records, strict=True) if (y := quantity(record))
        ]
        return fitted(known)


def place(record: Record) -> Place:
    setup, conditions = record.cost.setup, record.conditions
    batch, workers = (setup.batch, setup.workers) if setup else (1, 1)
    return Place(record.cost.latency.frames, conditions.hypotheses, conditions.steps, batch, workers)


def milliseconds(record: Record) -> float:
    """Of a call; with several workers, of a call divided by them."""
    its = place(record)
    return record.cost.latency.median_ms * its.batch / its.workers


def megabytes(record: Record) -> float | None:
    """That one process's prediction adds to what was there before it."""
    return record.cost.added_memory_mb


def fitted(points: Sequence[tuple[float, float]]) -> Fit | None:
    """Least squares in logarithms, with the interval that normal errors of equal size would give."""
    if len({x for x, _ in points}) < 2:
        return None
    x, y = np.log(np.array(points, dtype=float)).T
    centred = x - x.mean()
    exponent = float(centred @ y / (centred @ centred))
    errors = y - y.mean() - exponent * centred
    free = len(points) - 2
    half = None
    if free:
        quantile = T_975[free - 1] if free <= len(T_975) else 1.96 + 2.7 / free
        half = float(quantile * math.sqrt(errors @ errors / free / (centred @ centred)))
    return Fit(exponent, half, float(np.exp(y.mean() - exponent * x.mean())))


def series(records: Sequence[Record]) -> list[Series]:
    """One method's records along every axis on which there are at least two places."""
    places = [place(record) for record in records]
    usual = Place(*(Counter(values).most_common(1)[0][0] for values in zip(*places, strict=True)))
    found = []
    for axis in AXES:
        along = {getattr(its, axis): record for its, record in zip(places, records, strict=True)
                 if its._replace(**{axis: 0}) == usual._replace(**{axis: 0})}  # fmt: skip
        if len(along) > 1:
            found.append(Series(axis, [along[x] for x in sorted(along)]))
    return found


def _name(record: Record) -> str:
    arithmetic = _arithmetic(record)
    return f"{record.title} {record.preset}{'' if arithmetic == 'fp32' else f' {arithmetic}'}"


def _arithmetic(record: Record) -> str:
    setup = record.cost.setup
    return "" if setup is None else f"{setup.precision}{' compiled' * setup.compiled}"


def _conditions(where: str, records: Sequence[Record]) -> list[str]:
    """What costs depend on, in sentences."""
    drawn = [record for record in records if untrained(record)]
    weights = "as drawn, untrained" if len(drawn) == len(records) else "trained" if not drawn else "of both kinds"
    arithmetic = dict.fromkeys(filter(None, map(_arithmetic, records)))
    flip = dict.fromkeys("yes" if record.conditions.flip else "no" for record in records)
    warnings = dict.fromkeys(text for record in records for text in record.environment.warnings)
    return [
        f"Device: {where}.",
        f"Weights: {weights}; costs do not depend on them, errors are not shown.",
        f"Flip: {', '.join(flip)}. Precision: {', '.join(arithmetic)}.",
        f"Data: {', '.join(dict.fromkeys(record.data.label for record in records))}.",
        *(f"Warning: {text}." for text in warnings),
    ]


def _two_digits(number: float) -> str:
    return f"{round(number, 2) + 0.0:.2f}".replace("-", "−")


QUANTITIES: dict[str, Callable[[Record], float | None]] = {"time": milliseconds, "memory": megabytes}
