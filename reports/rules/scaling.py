"""Series of measurements along one axis, and the power laws fitted to them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from bench.results.record import Record
from reports.rules.entries import Entry, cost_or_similar, output_frames
from reports.rules.names import untrained
from reports.rules.warnings import disturbances


class Place(NamedTuple):
    """Where on the axes a run lies."""

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
    """Runs of one method along one axis, in order."""

    axis: str
    entries: list[Entry]

    def positions(self) -> list[int]:
        return [getattr(place(entry), self.axis) for entry in self.entries]

    def fit(self, quantity: Quantity) -> Fit | None:
        """Power law of a quantity; None where fewer than two places have a positive value."""
        known = [(x, y) for x, entry in zip(self.positions(), self.entries, strict=True) if (y := quantity(entry))]
        return fit_power_law(known)


def place(entry: Entry) -> Place:
    setup, conditions = cost_or_similar(entry).setup, entry.conditions
    batch, workers = (setup.batch, setup.workers) if setup else (1, 1)
    return Place(output_frames(entry), conditions.hypotheses, conditions.steps, batch, workers)


def milliseconds(entry: Entry) -> float | None:
    """Time of a call, divided by the number of workers that predict at the same time."""
    at = place(entry)
    return None if entry.cost is None else entry.cost.latency.median_ms * at.batch / at.workers


def megabytes(entry: Entry) -> float | None:
    """Memory that the prediction of one process adds to what it used before."""
    known = entry.cost is not None and entry.cost.memory_mb is not None
    return entry.cost.added_memory_mb if known and entry.cost else None


def fit_power_law(points: Sequence[tuple[float, float]]) -> Fit | None:
    """Least squares in logarithms, with a 95 % interval for normal errors of equal variance."""
    from scipy.special import stdtrit

    if len({x for x, _ in points}) < 2:
        return None
    x, y = np.log(np.array(points, dtype=float)).T
    centred = x - x.mean()
    exponent = float(centred @ y / (centred @ centred))
    errors = y - y.mean() - exponent * centred
    free = len(points) - 2
    half = None
    if free:
        half = float(stdtrit(free, 0.975) * math.sqrt(errors @ errors / free / (centred @ centred)))
    return Fit(exponent, half, float(np.exp(y.mean() - exponent * x.mean())))


def series_of(entries: Sequence[Entry]) -> list[Series]:
    """One method's runs along every axis on which there are at least two places.

    A run belongs to an axis where everything else is as in most runs.
    """
    places = [place(entry) for entry in entries]
    usual = Place(*(Counter(values).most_common(1)[0][0] for values in zip(*places, strict=True)))
    found = []
    for axis in AXES:
        along = {
            getattr(at, axis): entry
            for at, entry in zip(places, entries, strict=True)
            if at._replace(**{axis: 0}) == usual._replace(**{axis: 0})
        }
        if len(along) > 1:
            found.append(Series(axis, [along[x] for x in sorted(along)]))
    return found


def method_and_arithmetic(entry: Entry) -> str:
    """Title, size and, where it is not fp32, the precision."""
    arithmetic = _arithmetic(entry)
    return f"{entry.title} {entry.preset}{'' if arithmetic == 'fp32' else f' {arithmetic}'}"


def _arithmetic(entry: Entry) -> str:
    setup = cost_or_similar(entry).setup
    return "" if setup is None else f"{setup.precision}{' compiled' * setup.compiled}"


def cost_conditions(device: str, entries: Sequence[Entry]) -> list[str]:
    """What costs depend on, in sentences."""
    records = [entry for entry in entries if isinstance(entry, Record)]
    drawn = [record for record in records if untrained(record)]
    weights = "as drawn, untrained" if len(drawn) == len(records) else "trained" if not drawn else "of both kinds"
    arithmetic = dict.fromkeys(filter(None, map(_arithmetic, entries)))
    flip = dict.fromkeys("yes" if entry.conditions.flip else "no" for entry in entries)
    return [
        f"Device: {device}.",
        f"Weights: {weights}; costs do not depend on them, errors are not shown.",
        f"Flip: {', '.join(flip)}. Precision: {', '.join(arithmetic)}.",
        f"Data: {', '.join(dict.fromkeys(entry.data.label for entry in entries))}.",
        *(f"Warning: {text}." for text in disturbances(entries)),
    ]


def two_digits(number: float) -> str:
    return f"{round(number, 2) + 0.0:.2f}".replace("-", "−")


Quantity = Callable[[Entry], float | None]

QUANTITIES: dict[str, Quantity] = {"time": milliseconds, "memory": megabytes}
