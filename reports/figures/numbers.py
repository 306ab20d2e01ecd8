"""A grid of numbers on colours."""

from __future__ import annotations

import math

import numpy as np
import seaborn
from matplotlib.axes import Axes

from reports.figures import style


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
