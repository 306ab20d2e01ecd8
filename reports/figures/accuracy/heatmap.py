"""The figure of errors over hypotheses and steps: a panel of coloured numbers per method."""

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
from reports.rules.comparability import SAMPLING, Line, into_lines, same_but
from reports.rules.names import headlines, row_names, sampling_size
from reports.rules.operating_points import headline_point

MOST_PANELS = 8


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
            yield Drawing(f"grid{name}", _figure(grids), caption, style.stated(group))


def _figure(grids: list[Line]) -> Figure:
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
    for place, (axes, name, table) in enumerate(zip(panels, names, tables, strict=False)):
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
