"""Methods compared on own footage: a table and figures of what can be said without ground truth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import seaborn
from matplotlib.figure import Figure

from bench.results.files import write_text
from bench.results.footage import Compared, ShownPoses
from reports.build import save_drawing
from reports.figures.numbers import draw_numbers
from reports.figures.style import COLUMN_INCHES, PAGE_INCHES, STYLE, Drawing, light_grid, new_figure
from reports.page.footage import write_page
from reports.writers.forms import DEFAULT_FORMS, texts
from reports.writers.table import Block, Cell, Column, Row, Table

NO_ACCURACY = (
    "None of this is accuracy: there is no ground truth, and a method can be smooth, symmetric and sure, agree "
    "with others, and be wrong."
)
MEASURES = (
    ("ms_per_frame", "ms/frame", "{:.2f}"),
    ("memory_mb", "Memory MB", "{:.0f}"),
    ("reprojection", "Reprojection px", "{:.1f}"),
    ("spread", "Spread mm", "{:.1f}"),
    ("jitter", "Jitter m/s²", "{:.1f}"),
    ("bones", "Bones ±%", "{:.1f}"),
    ("symmetry", "Left-right %", "{:.1f}"),
)
"""Field of ``Compared``, what a column is called, and how its numbers are written."""

NOTES = (
    "ms/frame: median of one window at batch 1 with its aggregation, by its frames. Memory: of the weights, and "
    "what such a prediction adds.",
    "Reprojection: mean distance of the projected joints from the key points, focal length and root fitted for "
    "each method. Spread: of the hypotheses around their mean. Jitter: mean acceleration of the joints. Bones: "
    "standard deviation of a bone's length over the video. Left-right: difference of left and right bones.",
    "To others: mean distance of the poses from those of the other methods, each relative to its root.",
)


def write_comparison(
    out: Path, found: Sequence[Compared], apart: np.ndarray, shown: Sequence[ShownPoses]
) -> list[Path]:
    """The table in its usual forms, the figures, and a page that shows the poses side by side; their paths."""
    made_from = [f"Key points: {shown[0].source}, {shown[0].length:,} frames."]
    made_from += [f"{one.method}: {one.weights}." for one in shown]
    table = footage_table(found, apart, made_from)
    written = []
    for name, text in texts(table, "own-footage", DEFAULT_FORMS).items():
        write_text(out / name, text)
        written.append(out / name)
    with matplotlib.rc_context(STYLE):
        for drawing in footage_figures(found, apart):
            written += [out / path for path in save_drawing(drawing, out, "compare-on")]
    write_page(out / "own-footage.html", shown)
    return [*written, out / "own-footage.html"]


def footage_table(found: Sequence[Compared], apart: np.ndarray, made_from: Sequence[str]) -> Table:
    """A row for each method; nothing is ranked.

    Args:
        found: measures of M methods.
        apart: ``[M, M]`` mm, mean distances of their poses.
        made_from: sentences on the key points and the weights.
    """
    columns = (Column("Method", align="l"), *(Column(title) for _, title, _ in MEASURES), Column("To others mm"))
    alone = Cell(reason="there is one method only")
    rows = []
    for number, one in enumerate(found):
        cells = [_cell(getattr(one, field), form) for field, _, form in MEASURES]
        others = np.delete(apart[number], number)
        to_others = _cell(float(others.mean()), "{:.1f}") if len(others) else alone
        rows.append(Row((Cell(f"{one.name} {one.sampling}".strip()), *cells, to_others)))
    title = "Methods on own footage, without ground truth"
    return Table(title, columns, (Block(tuple(rows)),), tuple(made_from), (NO_ACCURACY, *NOTES))


def _cell(value: float | None, form: str) -> Cell:
    if value is None:
        return Cell(reason="a deterministic method has one hypothesis")
    if not np.isfinite(value):
        return Cell(reason="the video is too short, or the system does not tell")
    return Cell(form.format(value), value)


def footage_figures(found: Sequence[Compared], apart: np.ndarray) -> Iterator[Drawing]:
    """Bars of every measure, and a map of how far the methods are apart."""
    caption = "What can be said of methods on own footage without ground truth. "
    yield Drawing("own-footage-measures", _bars(found), caption + NO_ACCURACY)
    if len(found) > 1:
        caption = "Mean distance (mm) between the poses of two methods for the same key points. "
        yield Drawing("own-footage-agreement", _map(found, apart), caption + NO_ACCURACY)


def _bars(found: Sequence[Compared]) -> Figure:
    figure = new_figure(1.4 + 0.35 * len(found), PAGE_INCHES)
    panels = figure.subplots(2, -(-len(MEASURES) // 2), sharey=True, squeeze=False).ravel()
    places, colours = range(len(found)), seaborn.color_palette("colorblind", len(found))
    for axes in panels[len(MEASURES) :]:
        axes.set_axis_off()
    for axes, (field, title, _) in zip(panels[: len(MEASURES)], MEASURES, strict=True):
        axes.barh(places, [_or_nan(getattr(one, field)) for one in found], color=colours, height=0.7)
        axes.set_title(title)
        axes.set_yticks(list(places), [one.name for one in found])
        light_grid(axes)
    panels[0].invert_yaxis()
    return figure


def _or_nan(number: float | None) -> float:
    """What a method does not have is no bar: 0 would say that it is certain."""
    return math.nan if number is None else number


def _map(found: Sequence[Compared], apart: np.ndarray) -> Figure:
    figure = new_figure(1.0 + 0.3 * len(found), COLUMN_INCHES)
    axes = figure.subplots()
    draw_numbers(axes, apart, apart, (0.0, max(float(apart.max()), 1e-6)))
    names, middles = [one.name for one in found], [place + 0.5 for place in range(len(found))]
    axes.set_xticks(middles, names, rotation=30, ha="right")
    axes.set_yticks(middles, names)
    return figure
