"""The figure of the front: error over time of everything tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.results.record import Record
from reports.figures.style import (
    STYLE,
    Drawing,
    left_out,
    looks_of,
    new_figure,
    plain_log_ticks,
    settings,
    with_conditions,
)
from reports.rules.candidates import Candidate, candidates, front
from reports.rules.comparability import grouped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST_POINTS = 500


def trade_off(records: Sequence[Record]) -> list[Drawing]:
    """Error over time: the front, what was measured beside it, and at the upper edge what was not run."""
    drawings = []
    for name, group in settings(records):
        present = [record for record in group if not record.absent]
        skipped = [record for record in group if record.absent and record.cost.latency.median_ms > 0]
        points = candidates(present)
        if len(points) < 2:
            continue
        caption = (
            "Error against time of every point tried. Filled: the front in error, time and memory, exact over the "
            f"{len(points)} measured points; hollow: measured and dominated; crosses at the upper edge: "
            f"{len(skipped)} experiments that were priced but not run, or failed (the table says why)."
            f"{left_out(len(points), MOST_POINTS)}"
        )
        figure = _figure(points[:MOST_POINTS], skipped)
        drawings.append(Drawing(f"front{name}", figure, with_conditions(caption, present)))
    return drawings


def _figure(points: Sequence[Candidate], skipped: Sequence[Record]) -> Figure:
    import matplotlib
    import seaborn

    with matplotlib.rc_context(STYLE):
        figure = new_figure(2.4)
        axes = figure.add_subplot()
        looks = looks_of([point.record.title for point in points])
        best = set(front([point.place for point in points]))
        look = grouped(range(len(points)), lambda index: (points[index].record.title, index in best))
        for (title, on_front), members in look.items():
            colour, marker = looks[title]
            errors, milliseconds, _ = zip(*(points[index].place for index in members), strict=True)
            filled = colour if on_front else "none"
            axes.plot(milliseconds, errors, marker, color=colour, markersize=3.5, markerfacecolor=filled)
        for title, (colour, marker) in looks.items():
            axes.plot([], [], marker, color=colour, markersize=3.5, label=title)
        if skipped:
            times = [record.cost.latency.ms_per_frame for record in skipped]
            axes.plot(
                times, [0.98] * len(times), "x", transform=axes.get_xaxis_transform(), color="0.4", markersize=3,
                markeredgewidth=0.6, label="not run",
            )  # fmt: skip
        axes.set(xscale="log", xlabel="Median time per output frame (ms)", ylabel="MPJPE (mm)")
        plain_log_ticks(axes.xaxis, axes.get_xlim())
        axes.grid(True, which="major", linewidth=0.3, color="0.88")
        seaborn.despine(ax=axes)
        figure.legend(ncols=3, loc="outside upper center", frameon=False, columnspacing=1.0, handletextpad=0.3)
    return figure
