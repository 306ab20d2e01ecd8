"""The figure of the accuracy-latency-memory Pareto front: error over time of everything tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from bench.results.cost import Cost
from bench.results.record import Record
from reports.figures.style import (
    Drawing,
    left_out,
    legend_above,
    light_grid,
    looks_of,
    new_figure,
    plain_log_ticks,
    settings,
    with_conditions,
)
from reports.rules.comparability import grouped
from reports.rules.entries import Entry, MissingRun
from reports.rules.operating_points import FRONT, OperatingPoint, on_front, operating_points

MOST_POINTS = 500


def pareto_front_figure(entries: Sequence[Entry]) -> Iterator[Drawing]:
    """The front, what was measured beside it, and at the upper edge what was not run but has a measured cost."""
    for name, group in settings(entries):
        present = [entry for entry in group if isinstance(entry, Record)]
        costs = [entry.cost for entry in group if isinstance(entry, MissingRun) and entry.cost is not None]
        skipped = [cost for cost in costs if cost.latency.median_ms > 0]
        points = operating_points(present)
        if len(points) < 2:
            continue
        caption = (
            f"Error against time of every point tried. {FRONT} Filled: the front in error, time and memory among "
            f"{len(points)} measured points; hollow: measured and not on it; crosses at the upper edge: "
            f"{len(skipped)} experiments whose cost was measured but that were not run, or failed (the table says "
            "why)."
            f"{left_out(len(points), MOST_POINTS)}"
        )
        figure = _figure(points[:MOST_POINTS], skipped)
        yield Drawing(f"front{name}", figure, with_conditions(caption, present))


def _figure(points: Sequence[OperatingPoint], skipped: Sequence[Cost]) -> Figure:
    figure = new_figure(2.4)
    axes = figure.add_subplot()
    looks = looks_of([point.record.title for point in points])
    best = on_front(points)
    look = grouped(range(len(points)), lambda index: (points[index].record.title, index in best))
    for (title, is_best), members in look.items():
        colour, marker = looks[title]
        errors, milliseconds, _ = zip(*(points[index].place for index in members), strict=True)
        filled = colour if is_best else "none"
        axes.plot(milliseconds, errors, marker, color=colour, markersize=3.5, markerfacecolor=filled)
    for title, (colour, marker) in looks.items():
        axes.plot([], [], marker, color=colour, markersize=3.5, label=title)
    if skipped:
        times = [cost.ms_per_frame() for cost in skipped]
        axes.plot(
            times, [0.98] * len(times), "x", transform=axes.get_xaxis_transform(), color="0.4", markersize=3,
            markeredgewidth=0.6, label="not run",
        )  # fmt: skip
    axes.set(xscale="log", xlabel="Median time per output frame (ms)", ylabel="MPJPE (mm)")
    plain_log_ticks(axes.xaxis, axes.get_xlim())
    light_grid(axes)
    legend_above(figure, ncols=3)
    return figure
