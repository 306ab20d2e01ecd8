"""Figures of error over the numbers of hypotheses and steps, and after every step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.results.grouping import grouped
from bench.results.record import Record, Value
from reports.figures import style
from reports.figures.looks import Look, look_of, looks_of
from reports.figures.numbers import draw_numbers
from reports.figures.style import Drawing
from reports.rules.comparability import SAMPLING, Line, aggregations, headline, into_lines, same_but
from reports.rules.names import aggregation_title, headlines, method_name, row_names, sampling_size
from reports.rules.operating_points import headline_point

MOST_PANELS = 6
DASHES = {"deterministic": "-", "deployable": "-", "assisted": "--", "oracle": ":"}
LABEL_POINTS = 7.0
"""Least distance of two labels at the ends of lines."""

LEADER = {"arrowstyle": "-", "linewidth": 0.4, "color": "0.5", "shrinkA": 1, "shrinkB": 2, "relpos": (0, 0.5)}
"""The line from the end of a line to its name."""

Panel = dict[int, Record]
"""The records of a method by the size that varies."""


def error_by_hypotheses(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE of every aggregation over H at the largest K, a panel per method."""
    return _over(records, 0, "hypotheses", "hypotheses H", "Hypotheses H", "K")


def error_by_steps(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE of every aggregation over K at the largest H, a panel per method."""
    return _over(records, 1, "steps", "denoising steps K", "Steps K", "H")


def _over(records: Sequence[Record], varied: int, end: str, words: str, axis: str, held: str) -> Iterator[Drawing]:
    """Figures over H (``varied`` is 0) or K (1), the other one (``held``) at its largest; ``end``: of names."""
    for name, place, group in style.settings(records):
        panels: list[Panel] = []
        for members in grouped(group, lambda record: same_but(record, *SAMPLING)).values():
            most = max(sampling_size(record)[1 - varied] for record in members)
            its = {sampling_size(r)[varied]: r for r in members if sampling_size(r)[1 - varied] == most}
            panels += [dict(sorted(its.items()))] * (len(its) > 1)
        if panels:
            shown = panels[:MOST_PANELS]
            caption = (
                f"MPJPE over {words}{place}, for each aggregation, at the largest {held} of each method, with "
                "95 % intervals. Dashed: assisted (‡); dotted: oracle (†), which cannot be deployed."
                f"{style.left_out(len(panels), MOST_PANELS)}"
            )
            members = [record for its in shown for record in its.values()]
            conditions = style.stated(members, "every aggregation")
            yield Drawing(f"{end}{name}", _panels(shown, axis), caption, conditions)


def _panels(panels: Sequence[Panel], axis: str) -> Figure:
    across = min(3, len(panels))
    down = math.ceil(len(panels) / across)
    figure = style.new_figure(1.9 * down, style.COLUMN_INCHES if across == 1 else style.PAGE_INCHES)
    drawn = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes in drawn.ravel()[len(panels) :]:
        axes.set_axis_off()
    ends = []
    used = drawn.ravel()[: len(panels)]
    for axes, its in zip(used, panels, strict=True):
        record = its[min(its)]
        axes.set_title(method_name(record))
        axes.set(xlabel=axis, xscale="log", xlim=(0.85 * min(its), 2.2 * max(its)))
        axes.set_xticks(list(its), list(map(str, its)))
        axes.set_xticks([], minor=True)
        style.light_grid(axes)
        ends.append(_draw_lines(axes, its, look_of(record.method, record.variant)))
    for axes in drawn[:, 0]:
        axes.set_ylabel("MPJPE (mm)")
    figure.draw_without_rendering()
    for axes, texts in zip(used, ends, strict=True):
        _label_ends(axes, texts)
    return figure


def _draw_lines(axes: Axes, its: dict[int, Record], look: Look) -> list[tuple[float, float, str]]:
    """A line for each aggregation; returns their right ends, with their names."""
    ends = []
    pairs = dict.fromkeys(pair for record in its.values() for pair in aggregations(record))
    for number, (aggregation, kind) in enumerate(pairs):
        found = {size: record.value("mpjpe", aggregation) for size, record in its.items()}
        known = {size: value for size, value in found.items() if value and math.isfinite(value.action_mean)}
        if known:
            # Intervals stand beside each other, not on each other.
            beside = [size * (1 + 0.02 * number) for size in known]
            errors = [value.action_mean for value in known.values()]
            reach = tuple(zip(*map(style.spread, known.values()), strict=True))
            axes.errorbar(
                beside, errors, reach, linestyle=DASHES[kind], color=look.colour, elinewidth=0.6, linewidth=0.9,
                **look.marks(2.5),
            )  # fmt: skip
            ends.append((beside[-1], errors[-1], aggregation_title(aggregation, kind)))
    return ends


def _label_ends(axes: Axes, ends: Sequence[tuple[float, float, str]]) -> None:
    """Names of lines on the right of their ends; moved up, with a line to the end, where they would overlap."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    lowest, right = -math.inf, max((x for x, _, _ in ends), default=1.0)
    points = 72 / figure.dpi
    for x, y, text in sorted(ends, key=lambda end: end[1]):
        (end, at), (column, _) = (axes.transData.transform((place, y)) * points for place in (x, right))
        place = max(at, lowest + LABEL_POINTS)
        axes.annotate(
            text, (x, y), (column - end + 8, place - at), textcoords="offset points", va="center",
            fontsize=style.LEAST_POINTS, arrowprops=LEADER,
        ).set_in_layout(False)  # fmt: skip
        lowest = place


def convergence(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE of the headline after each step, at the largest H; a line per method and K."""
    for name, place, group in style.settings(records):
        widest = [
            record
            for members in grouped(group, lambda record: (method_name(record), record.conditions.steps)).values()
            for record in [max(members, key=lambda record: record.conditions.hypotheses)]
            if len(_steps(record)) > 1
        ]
        if widest:
            shown = headlines(widest)
            widths = sorted({record.conditions.hypotheses for record in widest})
            caption = (
                f"Convergence{place}: MPJPE ({shown}, H = {', '.join(map(str, widths))}) after every denoising "
                "step; one line for each number of steps K, ending in a marker. Bar: its 95 % interval."
            )
            yield Drawing(f"convergence{name}", _after_steps(widest), caption, style.stated(widest))


def _steps(record: Record) -> list[Value]:
    chosen = headline(record)
    found = [value for value in record.values if (value.metric, value.aggregation) == ("mpjpe", chosen)]
    return sorted((value for value in found if math.isfinite(value.action_mean)), key=lambda value: value.step)


def _after_steps(records: list[Record]) -> Figure:
    figure = style.new_figure(2.1)
    axes = figure.add_subplot()
    looks = looks_of(records)
    for number, record in enumerate(records):
        name = method_name(record)
        look, values = looks[name], _steps(record)
        steps, errors = zip(*((value.step, value.action_mean) for value in values), strict=True)
        axes.plot(steps, errors, color=look.colour, linestyle=look.line)
        # Of the steps before, errors of takes are not kept, which intervals over trainings and subjects need.
        beside = steps[-1] + 0.05 * (number - (len(records) - 1) / 2)
        axes.vlines(beside, values[-1].low, values[-1].high, color=look.colour, linewidth=0.8)
        axes.plot(steps[-1], errors[-1], label=name, linestyle="none", **look.marks(3.5))
    axes.set(xlabel="Denoising step", ylabel="MPJPE (mm)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.light_grid(axes)
    style.legend_above(figure, once=True)
    return figure


def error_heatmap(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE of the headline aggregation over H and K, a panel per method with a common scale."""
    for name, place, group in style.settings(records):
        grids = [
            grid
            for grid in into_lines(group, lambda record: same_but(record, *SAMPLING), sampling_size)
            if len(grid.slots) > 1
        ]
        if grids:
            shown = headlines(group)
            caption = f"MPJPE (mm, {shown}) over hypotheses H and denoising steps K{place}; one scale of colours."
            yield Drawing(f"grid{name}", _over_samples(grids), caption, style.stated(group))


def _over_samples(grids: list[Line]) -> Figure:
    names = row_names([grid.first for grid in grids])
    tables = [_grid_values(grid) for grid in grids]
    finite = [value for table in tables for value in table.values()]
    across = min(len(grids), 4 if len(grids) > 2 else 2)
    down = math.ceil(len(grids) / across)
    widths = sorted({h for table in tables for h, _ in table})
    steps = sorted({k for table in tables for _, k in table})
    size = style.COLUMN_INCHES if across <= 2 else style.PAGE_INCHES
    figure = style.new_figure(down * max(1.2, 0.28 * len(steps) + 0.75), size)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    limits = min(finite, default=0.0), max(finite, default=1.0)
    for place, (axes, name, table) in enumerate(zip(panels[: len(grids)], names, tables, strict=True)):
        values = np.array([[table.get((h, k), math.nan) for h in widths] for k in steps])
        # Not seaborn's heat map, which computes the layout of the whole figure again for every panel.
        draw_numbers(axes, values, values, limits)
        axes.set_xticks(np.arange(len(widths)) + 0.5, list(map(str, widths)))
        axes.set_yticks(np.arange(len(steps)) + 0.5, list(map(str, steps)))
        axes.set(title=name.replace("§", ""), xlabel="Hypotheses H", ylabel="" if place % across else "Steps K")
    for axes in panels[len(grids) :]:
        axes.set_axis_off()
    bar = figure.colorbar(panels[0].collections[0], ax=panels.tolist(), shrink=0.9, aspect=18, pad=0.02)
    bar.set_label("MPJPE (mm)")
    bar.outline.set_visible(False)
    return figure


def _grid_values(grid: Line) -> dict[tuple[int, int], float]:
    """(H, K) → MPJPE."""
    points = {
        sampling_size(record): headline_point(record, style.ms_with_headline_aggregation)
        for record in grid.slots.values()
        if isinstance(record, Record)
    }
    return {size: point.value.action_mean for size, point in points.items() if point is not None}
