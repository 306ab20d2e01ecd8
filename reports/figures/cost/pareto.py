"""The figure of the accuracy-latency-memory Pareto front: error over time of everything tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from bench.results.cost import Cost
from bench.results.grouping import grouped
from bench.results.record import Record
from reports.figures import style
from reports.figures.looks import looks_of
from reports.figures.style import Drawing
from reports.rules.entries import Entry, MissingRun
from reports.rules.names import method_name
from reports.rules.operating_points import FRONT, OperatingPoint, on_front, operating_points

MOST_POINTS = 500


def pareto_front_figure(entries: Sequence[Entry]) -> Iterator[Drawing]:
    """The front, what was measured beside it, and at the upper edge what was not run but has a measured cost."""
    for name, place, group in style.settings(entries, by_device=True):
        present = [entry for entry in group if isinstance(entry, Record)]
        costs = [entry.cost for entry in group if isinstance(entry, MissingRun) and entry.cost is not None]
        skipped = [cost for cost in costs if cost.latency.median_ms > 0]
        points = operating_points(present)
        if len(points) < 2:
            continue
        caption = (
            f"Error against time of every point tried{place}. {FRONT} Full colour: the front in error, "
            f"time and memory among {len(points)} measured points, with 95 % intervals; pale: measured and not on "
            "it; hollow: variants of a method; crosses at the upper edge: "
            f"{len(skipped)} experiments whose cost was measured but that were not run, or failed (the table says "
            "why)."
            f"{style.left_out(len(points), MOST_POINTS)}"
        )
        figure = _figure(points[:MOST_POINTS], skipped)
        yield Drawing(f"front{name}", figure, caption, style.stated(present))


def _figure(points: Sequence[OperatingPoint], skipped: Sequence[Cost]) -> Figure:
    figure = style.new_figure(2.4)
    axes = figure.add_subplot()
    looks = looks_of(point.record for point in points)
    best = on_front(points)
    groups = grouped(range(len(points)), lambda index: (method_name(points[index].record), index in best))
    for (name, is_best), members in groups.items():
        look = looks[name]
        errors, milliseconds, _ = zip(*(points[index].place for index in members), strict=True)
        axes.plot(milliseconds, errors, linestyle="none", alpha=1 if is_best else 0.4, **look.marks(3.5))
        if is_best:
            values = [points[index].value for index in members]
            low, high = [value.low for value in values], [value.high for value in values]
            axes.vlines(milliseconds, low, high, color=look.colour, linewidth=0.6)
    for name, look in looks.items():
        axes.plot([], [], label=name, linestyle="none", **look.marks(3.5))
    if skipped:
        times = [cost.ms_per_frame() for cost in skipped]
        axes.plot(
            times, [0.98] * len(times), "x", transform=axes.get_xaxis_transform(), color="0.4", markersize=3,
            markeredgewidth=0.6, label="not run",
        )  # fmt: skip
    axes.set(xscale="log", xlabel="Median time per output frame (ms)", ylabel="MPJPE (mm)")
    style.plain_log_ticks(axes.xaxis, axes.get_xlim())
    style.light_grid(axes)
    style.legend_above(figure, ncols=3)
    return figure
