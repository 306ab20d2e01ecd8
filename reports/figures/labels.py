"""Small labels beside points, placed where they overlap nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

OFFSETS = (
    (4, 3), (-4, 3), (4, -3), (-4, -3), (0, 6), (0, -6), (7, 0), (-7, 0), (6, 9), (-6, 9), (6, -9), (-6, -9),
)  # fmt: skip
"""Places to try, in points from the marked position."""

ALIGNED = {1: ("left", "bottom"), 0: ("center", "center"), -1: ("right", "top")}
"""Which edges of a text are at a place, by the direction from the point to it: across and upwards."""

MOST = 60
"""Labels tried at most; a figure of one column has room for fewer."""


class Label(NamedTuple):
    """A text beside a point in data coordinates."""

    position: tuple[float, float]
    text: str
    colour: str


Segment = tuple[tuple[float, float], tuple[float, float]]
"""Both ends of an upright or level line in data coordinates."""


def place_labels(axes: Axes, labels: Sequence[Label], lines: Sequence[Segment], size: float) -> list[Label]:
    """Write each text at the first place beside its point that is inside the axes and free; return those written.

    A label without such a place is left out; earlier ones have precedence. All points and ``lines`` stay clear.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    unit = figure.dpi / 72
    taken = [_box(axes, label.position, label.position, 3 * unit) for label in labels]
    taken += [_box(axes, first, last, 0.7 * unit) for first, last in lines]
    written = []
    inside = np.array(axes.get_window_extent().extents)
    for label in [label for label in labels if label.text][:MOST]:
        note = axes.annotate(
            label.text, label.position, (0, 0), textcoords="offset points", fontsize=size, color=label.colour
        )
        note.set_in_layout(False)
        extent = np.array(note.get_window_extent().size)
        point = axes.transData.transform(label.position)
        for offset in OFFSETS:
            box = _beside(point, extent, np.array(offset) * unit)
            if _free(box, taken) and _within(box, inside):
                note.set(position=offset, ha=ALIGNED[np.sign(offset[0])][0], va=ALIGNED[np.sign(offset[1])][1])
                taken.append(box)
                written.append(label)
                break
        else:
            note.remove()
    return written


def _box(axes: Axes, first: tuple[float, float], last: tuple[float, float], margin: float) -> np.ndarray:
    ends = axes.transData.transform([first, last])
    return np.r_[ends.min(0) - margin, ends.max(0) + margin]


def _beside(point: np.ndarray, extent: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The box of a text of this extent on the side of a point to which the offset leads; all in pixels."""
    corner = point + offset + extent * (np.sign(offset) - 1) / 2
    return np.r_[corner, corner + extent]


def _free(box: np.ndarray, taken: Sequence[np.ndarray]) -> bool:
    return all(box[0] > o[2] or box[2] < o[0] or box[1] > o[3] or box[3] < o[1] for o in taken)


def _within(box: np.ndarray, outer: np.ndarray) -> bool:
    return bool((box[:2] >= outer[:2]).all() and (box[2:] <= outer[2:]).all())
