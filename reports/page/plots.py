"""Error against time, as traces that Plotly draws."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from typing import Any

from bench.results.grouping import grouped
from bench.results.record import Record
from bench.results.statistics.seeds import pool
from reports.figures.looks import COLOURS, Look, look_of
from reports.figures.style import ms_with_headline_aggregation, spread
from reports.rules.comparability import TRIVIAL, groups_of, headline
from reports.rules.conditions import sentences
from reports.rules.entries import is_disturbed
from reports.rules.names import aggregation_title, marked_name, method_name, sampling_size, seeds_of, untrained
from reports.rules.operating_points import OperatingPoint, headline_point, on_front

SYMBOLS = {
    "o": "circle", "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down", "P": "cross", "X": "x",
    "<": "triangle-left", ">": "triangle-right", "p": "pentagon", "*": "star", "h": "hexagon", "d": "diamond-tall",
}  # fmt: skip
"""Marker of Matplotlib → of Plotly."""


def plots(records: Sequence[Record]) -> list[dict[str, Any]]:
    """One plot per set of conditions that numbers may be compared under, the fullest first.

    ``traces``: headlines and the Pareto front; ``further``: every other aggregation; ``trivial``: predictors that
    a learned method has to beat.
    """
    found: list[tuple[int, dict[str, Any]]] = []
    pooled = pool(records)
    fronts = {(heading, place): group for heading, place, group in groups_of(pooled, by_device=True)}
    for heading, place, group in groups_of(records, by_device=True):
        points = sorted((point for record in group for point in _points(record)), key=lambda point: point.position)
        if points:
            split = grouped(points, _shown_as)
            plot = {
                "title": "; ".join(filter(None, (place, heading or group[0].data.label))),
                "traces": [*_traces(split.get("traces", [])), _front(fronts.get((heading, place), []))],
                "further": _traces(split.get("further", []), named=False),
                "trivial": _traces(split.get("trivial", [])),
                "conditions": sentences(group, pooled=pooled),
            }
            found.append((len(points), plot))
    return [plot for _, plot in sorted(found, key=lambda pair: -pair[0])]


def _points(record: Record) -> Iterator[OperatingPoint]:
    """Its errors of the last step; none for untrained weights, and none that are not finite."""
    for value in () if untrained(record) else record.values:
        milliseconds = record.cost.ms_per_frame(value.aggregation)
        drawn = math.isfinite(value.action_mean) and 0 < milliseconds < math.inf
        if drawn and (value.metric, value.step) == ("mpjpe", sampling_size(record)[1]):
            yield OperatingPoint(record, value, (value.action_mean, milliseconds, math.nan))


def _shown_as(point: OperatingPoint) -> str:
    """The key of a plot that has it."""
    if point.record.method in TRIVIAL:
        return "trivial"
    return "traces" if point.value.aggregation == headline(point.record) else "further"


def _traces(points: Sequence[OperatingPoint], named: bool = True) -> list[dict[str, Any]]:
    """One per method. Variants, which are hollow, come and go with their method, which the legend names."""
    groups = [(look_of(its[0].record.method, its[0].record.variant), its) for its in _by_method(points)]
    whole = {look for look, _ in groups if look.filled}
    return [
        _trace(its, look) | {"showlegend": named and (look.filled or look._replace(filled=True) not in whole)}
        for look, its in groups
    ]


def _by_method(points: Sequence[OperatingPoint]) -> list[list[OperatingPoint]]:
    return list(grouped(points, lambda point: method_name(point.record)).values())


def _trace(points: Sequence[OperatingPoint], look: Look) -> dict[str, Any]:
    symbol = SYMBOLS[look.marker] + "-open" * (not look.filled)
    symbols = [symbol + "-dot" * (point.value.kind in ("assisted", "oracle")) for point in points]
    below, above = zip(*(spread(point.value) for point in points), strict=True)
    record = points[0].record
    return _placed(points) | {
        "mode": "markers",
        "name": html.escape(method_name(record), quote=False),
        "legendgroup": look.colour + look.marker,
        "error_y": {"array": above, "arrayminus": below, "color": look.colour, "thickness": 1, "width": 0},
        "marker": {"color": look.colour, "size": 10, "symbol": symbols},
        "text": [_words(point) for point in points],
        "hovertemplate": "%{text}<extra></extra>",
        "customdata": [point.record.id for point in points],
    }


def _front(records: Sequence[Record]) -> dict[str, Any]:
    """The front of error and time of learned methods, as in the figure; ``records``: pooled over their seeds."""
    learned = [record for record in records if record.method not in TRIVIAL]
    points = [
        point for record in learned if (point := headline_point(record, ms_with_headline_aggregation)) is not None
    ]
    front = sorted((points[index] for index in on_front(points)), key=lambda point: point.position)
    shown = {"mode": "lines+markers", "name": "Pareto front", "hoverinfo": "skip"}
    look = {
        "line": {"color": COLOURS[1], "width": 1, "dash": "dash", "shape": "hv"},
        "marker": {"symbol": "circle-open", "size": 16},
    }
    return _placed(front) | shown | look


def _placed(points: Sequence[OperatingPoint]) -> dict[str, Any]:
    x, y = ([point.position[axis] for point in points] for axis in (0, 1))
    return {"type": "scatter", "x": x, "y": y}


def _words(point: OperatingPoint) -> str:
    """What pointing at it shows; names are escaped, as Plotly reads some tags."""
    record, value = point.record, point.value
    hypotheses, steps = sampling_size(record)
    size = "" if value.kind == "deterministic" else f", H = {hypotheses}, K = {steps}"
    named = f"{marked_name(record)} {aggregation_title(value.aggregation, value.kind)}{size}"
    milliseconds, error = point.position
    lines = (
        f"{named}: {error:.1f} mm, {milliseconds:.3g} ms/frame{' (time disturbed)' * is_disturbed(record)}",
        f"size {record.preset}, seeds {seeds_of(record)}",
        f"run {record.id}",
    )
    return "<br>".join(html.escape(line, quote=False) for line in lines)
