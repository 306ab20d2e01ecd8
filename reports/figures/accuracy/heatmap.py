"""Figures of coloured numbers: errors over hypotheses and steps, and by action."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.results.record import Record
from reports.figures import style
from reports.figures.style import Drawing
from reports.rules.comparability import SAMPLING, TRIVIAL, Line, grouped, headline, into_lines, same_but
from reports.rules.names import headlines, row_names, sampling_size
from reports.rules.operating_points import headline_point

MOST_ROWS = 30


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
        sampling_size(record): headline_point(record, style.ms_per_frame)
        for record in grid.slots.values()
        if isinstance(record, Record)
    }
    return {size: point.value.action_mean for size, point in points.items() if point is not None}


def draw_numbers(
    axes: Axes, shades: np.ndarray, numbers: np.ndarray, limits: tuple[float, float] = (0.0, 1.0)
) -> None:
    """A grid of numbers, the first row on top, each on the colour of its shade; – where there is none."""
    colours = seaborn.color_palette("crest", as_cmap=True)
    axes.pcolormesh(shades, cmap=colours, vmin=limits[0], vmax=limits[1], edgecolor="white", linewidth=0.5)
    for (row, column), number in np.ndenumerate(numbers):
        shade = shades[row, column]
        dark = math.isfinite(shade) and shade > limits[0] + 0.3 * (limits[1] - limits[0])
        note = axes.text(
            column + 0.5, row + 0.5, f"{number:.1f}" if math.isfinite(number) else "–", ha="center", va="center",
            fontsize=style.SMALL_POINTS, color="white" if dark else "0.15",
        )  # fmt: skip
        note.set_in_layout(False)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def errors_by_action(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE of the headline by action, a row per method; trivial predictors are left out."""
    for name, place, group in style.settings(records):
        learned = [record for record in group if record.method not in TRIVIAL and _by_action(record)]
        if learned:
            shown = headlines(learned)
            caption = (
                f"MPJPE (mm, {shown}) by action{place}, mean over an action's frames; a scale of colours for "
                "each action, from its best method (light) to its worst (dark)."
            )
            caption += f" Only the first {MOST_ROWS} of {len(learned)} rows." if len(learned) > MOST_ROWS else ""
            chosen = learned[:MOST_ROWS]
            yield Drawing(f"by-action{name}", _of_actions(chosen), caption, style.stated(chosen))


def _by_action(record: Record) -> dict[str, float]:
    value = record.value("mpjpe", headline(record))
    return value.per_action if value else {}


def _of_actions(records: list[Record]) -> Figure:
    names = list(dict.fromkeys(action for record in records for action in _by_action(record)))
    table = np.array([[_by_action(record).get(name, np.nan) for name in names] for record in records])
    low, high = np.nanmin(table, axis=0), np.nanmax(table, axis=0)
    shade = (table - low) / np.where(high > low, high - low, 1)
    wide = len(names) > 5
    figure = style.new_figure(0.75 + 0.17 * len(records), style.PAGE_INCHES if wide else style.COLUMN_INCHES)
    axes = figure.add_subplot()
    draw_numbers(axes, shade, table)
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=35, ha="right", rotation_mode="anchor")
    titles = [name.replace("§", "") for name in _titles(records)]
    axes.set_yticks(np.arange(len(records)) + 0.5, titles)
    return figure


def _titles(records: list[Record]) -> list[str]:
    """Names of rows, with H and K where several rows have the same name."""
    names = row_names(records)
    repeated = {name for name, members in grouped(names, lambda name: name).items() if len(members) > 1}
    return [
        f"{name} ({record.conditions.hypotheses}, {record.conditions.steps})" if name in repeated else name
        for name, record in zip(names, records, strict=True)
    ]
