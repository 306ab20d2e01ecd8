"""Figures of accuracy against what it costs: time, and memory.

Every figure holds points of one setting (data, subjects, part of the test set, selection, flip, device) and one
pair of detections; records of several settings make several figures.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.results.grouping import grouped
from bench.results.record import Record
from reports.figures import style
from reports.figures.labels import Label, Segment, place_labels
from reports.figures.looks import Look, look_of
from reports.figures.style import Drawing
from reports.rules.comparability import TRIVIAL
from reports.rules.entries import is_disturbed
from reports.rules.names import headlines, method_name, sampling_size
from reports.rules.operating_points import OperatingPoint, headline_point, on_front

FRONT = "Pareto front"
ISO = "Iso-cost"
DISTURBED = "Time disturbed"


def latency_accuracy(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE over milliseconds per output frame, headline aggregation only, with the Pareto front."""
    words = "median time per output frame at batch 1, aggregation of hypotheses included"
    return _against(
        records, "latency", "time", words, "Median time per output frame (ms)", style.ms_with_headline_aggregation
    )


def memory_accuracy(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE over peak tensor memory, headline aggregation only, with the Pareto front."""

    def memory(record: Record) -> float:
        return math.nan if record.cost.memory_mb is None else record.cost.memory_mb

    words = "peak tensor memory of one prediction at batch 1"
    return _against(records, "memory", "memory", words, "Peak tensor memory (MB)", memory)


def _against(
    records: Sequence[Record], name: str, what: str, words: str, axis: str, cost: Callable[[Record], float]
) -> Iterator[Drawing]:
    """Figures of errors against a cost.

    Args:
        name: of the figure's file.
        what, words: the cost in the caption, in a word and in full.
        axis: its label, with the unit in parentheses.
    """
    unit = axis.rpartition("(")[2].rstrip(")")
    for end, place, group in style.settings(records, by_device=True):
        points = [point for record in group if (point := headline_point(record, cost)) is not None]
        learned = [point for point in points if point.record.method not in TRIVIAL]
        if len(learned) < 2:
            continue
        trivial = [f"{p.record.title} {p.value.action_mean:.1f} mm" for p in points if p.record.method in TRIVIAL]
        shown = headlines(point.record for point in learned)
        caption = (
            f"Accuracy against {what}{place}. MPJPE ({shown}; no ground-truth pose at test time) with its 95 % "
            f"interval over the {words}. Labels: method and (H, K), where there is room; hollow: variants of a "
            "method. Rings: the front; what costs more is on it only where it is shown to have a lower error. "
            f"Dashed: lowest error up to a cost. Dotted (iso-cost): equal MPJPE × {unit}. Assisted and oracle "
            "aggregations are left out."
        )
        if what == "time" and any(is_disturbed(point.record) for point in learned):
            caption += " Crosses: time disturbed, as a star says in tables."
        if what == "memory":
            counted = dict.fromkeys(point.record.cost.memory_source for point in learned)
            caption += f" Memory counts: {'; '.join(counted)}."
        caption += f" Trivial predictors, not drawn: {'; '.join(trivial)}." if trivial else ""
        crossed = [point for point in learned if what == "time" and is_disturbed(point.record)]
        yield Drawing(f"{name}{end}", _figure(learned, crossed, axis), caption, style.stated(group))


def _figure(points: list[OperatingPoint], crossed: list[OperatingPoint], axis: str) -> Figure:
    """With the names of methods at points; where one has no room there, with all of them in a legend."""
    at_points, complete = _labelled(points, crossed, axis, in_legend=False)
    return at_points if complete else _labelled(points, crossed, axis, in_legend=True)[0]


def _labelled(
    points: list[OperatingPoint], crossed: list[OperatingPoint], axis: str, in_legend: bool
) -> tuple[Figure, bool]:
    """The figure, and whether every method is named in it; in a legend, variants of a method share an entry."""
    key = _entry if in_legend else method_name
    groups = grouped(points, lambda point: key(point.record))
    looks = {name: look_of(its[0].record.method, its[0].record.variant) for name, its in groups.items()}
    entries = [*(looks if in_legend else ()), FRONT, ISO, *[DISTURBED] * bool(crossed)]
    columns = style.legend_columns(entries)
    figure = style.new_figure(2.0 + 0.14 * math.ceil(len(entries) / columns))
    axes = figure.add_subplot()
    front = sorted(on_front(points), key=lambda index: points[index].position)
    steps = [points[index].position for index in front]
    _draw_front(axes, steps)
    for name, members in groups.items():
        _draw_points(axes, members, looks[name], name if in_legend else "")
    if crossed:
        x, y = zip(*(point.position for point in crossed), strict=True)
        axes.plot(x, y, "x", color="0.3", markersize=5, markeredgewidth=0.5, zorder=3, label=DISTURBED)
    axes.set(xscale="log", xlabel=axis, ylabel="MPJPE (mm)")
    axes.margins(x=0.12, y=0.08)
    lines = _draw_iso_costs(axes)
    style.plain_log_ticks(axes.xaxis, axes.get_xlim())
    style.light_grid(axes)
    handles, names = axes.get_legend_handles_labels()
    order = sorted(range(len(names)), key=lambda index: names[index] in (FRONT, ISO, DISTURBED))
    handles, names = [handles[index] for index in order], [names[index] for index in order]
    style.legend_above(figure, ncols=columns, handles=handles, labels=names)
    front_first = [points[index] for index in dict.fromkeys([*front, *range(len(points))])]
    named, others = [], []
    for name, its in grouped(front_first, lambda point: key(point.record)).items():
        named += [Label(its[0].position, f"{name} {_size(its[0])}".strip(), looks[name].colour)] * (not in_legend)
        others += [Label(point.position, _size(point), looks[name].colour) for point in its[not in_legend :]]
    placed = place_labels(axes, [*named, *others], _obstacles(points, steps) + lines, style.SMALL_POINTS)
    return figure, all(label in placed for label in named)


def _entry(record: Record) -> str:
    return f"{record.title}, variants" if record.variant else method_name(record)


def _draw_iso_costs(axes: Axes) -> list[Segment]:
    """Lines on which error times cost is the same round number, as far as they cross the figure."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    errors = np.linspace(max(low, 1e-3), high, 50)
    least, most = left * errors[0], right * high
    if not 0 < least < most < math.inf:
        return []
    steps = (1,) if most > 100 * least else (1, 2, 5)
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    levels = [level for power in powers for step in steps if least < (level := step * 10.0**power) < most]
    for number, level in enumerate(levels):
        label = "" if number else ISO
        axes.plot(level / errors, errors, ":", color="0.6", linewidth=0.7, zorder=0, label=label)
    axes.set(xlim=(left, right), ylim=(low, high))
    ends = [list(zip((level / errors).tolist(), errors.tolist(), strict=True)) for level in levels]
    return [pair for line in ends for pair in itertools.pairwise(line)]


def _draw_points(axes: Axes, points: list[OperatingPoint], look: Look, name: str) -> None:
    x, y = zip(*(point.position for point in points), strict=True)
    below, above = zip(*(style.spread(point.value) for point in points), strict=True)
    axes.errorbar(
        x, y, (below, above), fmt="", linestyle="none", ecolor=look.colour, label=name,
        elinewidth=0.6, capsize=1.5, capthick=0.6, **look.marks(4),
    )  # fmt: skip


def _draw_front(axes: Axes, steps: list[tuple[float, float]]) -> None:
    x, y = zip(*steps, strict=True)
    lowest = list(itertools.accumulate(y, min))
    axes.step(x, lowest, where="post", color="0.55", linewidth=0.8, linestyle="--", zorder=1)
    axes.plot(
        x, y, "o", color="0.55", zorder=1, label=FRONT, markersize=8, markerfacecolor="none", markeredgewidth=0.8,
    )  # fmt: skip


def _obstacles(points: list[OperatingPoint], steps: list[tuple[float, float]]) -> list[Segment]:
    """The vertical and horizontal lines that labels must not cross: intervals and steps of the front."""
    lines = [((x, p.value.low), (x, p.value.high)) for p in points for x in [p.position[0]]]
    for (x, y), (next_x, next_y) in itertools.pairwise(steps):
        lines += [((x, y), (next_x, y)), ((next_x, y), (next_x, next_y))]
    return [line for line in lines if all(map(math.isfinite, itertools.chain(*line)))]


def _size(point: OperatingPoint) -> str:
    sampled = point.value.kind != "deterministic"
    return "({}, {})".format(*sampling_size(point.record)) if sampled else ""
