"""The figure of how time and memory grow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.results.grouping import grouped
from reports.figures import style
from reports.figures.looks import Look, looks_of
from reports.figures.style import Drawing
from reports.rules.comparability import device
from reports.rules.entries import Entry
from reports.rules.names import method_name
from reports.rules.scaling import (
    AXES,
    QUANTITIES,
    Quantity,
    Series,
    cost_conditions,
    method_and_arithmetic,
    series_of,
    two_digits,
)


def growth(entries: Sequence[Entry]) -> Iterator[Drawing]:
    """Time above, added memory below, over every axis; dots measured, lines fitted; a figure for each device."""
    by_device = grouped(entries, device)
    for number, (where, group) in enumerate(by_device.items(), start=1):
        found = [along for its in grouped(group, method_and_arithmetic).values() for along in series_of(its)]
        if found:
            caption = (
                "Time of a call (above; of a call divided by the workers, where they vary) and memory that a "
                "prediction adds (below). Dots: measured; lines: power laws fitted to them, with their exponents "
                "in the corner, in the order of the legend."
            )
            end = f"-{number}" if len(by_device) > 1 else ""
            yield Drawing(f"growth{end}", _figure(found), caption, cost_conditions(where, group))


LABELS = {"time": "ms/call", "memory": "Added memory (MB)"}


def _figure(found: Sequence[Series]) -> Figure:
    axes = [axis for axis in AXES if any(axis == along.axis for along in found)]
    looks = looks_of(along.entries[0] for along in found)
    figure = style.new_figure(3.4, style.PAGE_INCHES)
    panels = figure.subplots(2, len(axes), squeeze=False, sharex="col", sharey="row")
    for row, (what, quantity) in zip(panels, QUANTITIES.items(), strict=True):
        for panel, axis in zip(row, axes, strict=True):
            along_it = [along for along in found if along.axis == axis]
            for number, along in enumerate(along_it):
                _draw(panel, along, quantity, looks[method_name(along.entries[0])], line=number)
            _finish(panel, sorted({x for along in along_it for x in along.positions()}))
        row[0].set_ylabel(LABELS[what])
        style.plain_log_ticks(row[0].yaxis, row[0].get_ylim())
    for panel, axis in zip(panels[1], axes, strict=True):
        panel.set_xlabel(AXES[axis])
    handles = [Line2D([], [], color=look.colour, **look.marks(3.5)) for look in looks.values()]
    style.legend_above(figure, handles=handles, labels=list(looks), ncols=len(looks))
    return figure


def _draw(panel: Axes, along: Series, quantity: Quantity, look: Look, line: int) -> None:
    """Dots, the fitted line, and its exponent in the upper left corner, a line of text for each method."""
    xs, fit = along.positions(), along.fit(quantity)
    panel.plot(xs, [quantity(entry) or math.nan for entry in along.entries], linestyle="none", **look.marks(3))
    if fit is not None:
        ends = np.array([xs[0], xs[-1]], dtype=float)
        panel.plot(ends, fit.factor * ends**fit.exponent, color=look.colour, linewidth=0.8)
        panel.annotate(
            two_digits(fit.exponent), (0, 1), xytext=(3, -7.5 * line), xycoords="axes fraction",
            textcoords="offset points", ha="left", va="top", fontsize=style.LEAST_POINTS, color=look.colour,
        )  # fmt: skip


def _finish(panel: Axes, places: list[int]) -> None:
    panel.set(xscale="log", yscale="log")
    panel.margins(x=0.08, y=0.12)
    panel.set_xticks(places, list(map(str, places)))
    panel.set_xticks([], minor=True)
    style.light_grid(panel)
