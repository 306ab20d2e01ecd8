"""What all figures share: style, size, captions, and which records may stand in one figure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import seaborn
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from bench.results.record import Record, Value
from reports.rules.comparability import AnyEntry, groups_of, headline
from reports.rules.conditions import Shown, sentences

COLUMN_INCHES, PAGE_INCHES = 3.4, 7.0
"""Widths of figures: one column of a page, and both."""

FONT_POINTS = 7.0
SMALL_POINTS = 6.5
LEAST_POINTS = 6.0
STYLE: dict[Any, Any] = {
    "font.size": FONT_POINTS,
    "axes.labelsize": FONT_POINTS,
    "axes.titlesize": FONT_POINTS,
    "xtick.labelsize": SMALL_POINTS,
    "ytick.labelsize": SMALL_POINTS,
    "legend.fontsize": SMALL_POINTS,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "savefig.dpi": 300,
    "text.parse_math": False,  # names are text, whatever they contain
}
"""Matplotlib parameters under which ``reports.build`` draws and saves every figure."""


@dataclass(frozen=True)
class Drawing:
    """A figure, the end of its file name, its caption, and the conditions of what it shows, in sentences."""

    name: str
    figure: Figure
    caption: str
    conditions: Sequence[str] = ()


def settings(entries: Sequence[AnyEntry], by_device: bool = False) -> Iterator[tuple[str, str, list[AnyEntry]]]:
    """Runs that may share a figure, with the end of its name and what tells it from the others, for its caption.

    Both are empty for the only one, else "-1", "-2", … and " (DET: cpn)". ``by_device``: see ``sections``.
    """
    groups = groups_of(entries, by_device)
    for number, (heading, place, group) in enumerate(groups, start=1):
        several = len(groups) > 1
        apart = "; ".join(filter(None, (place, heading)))
        yield f"-{number}" * several, f" ({apart})" * several, group


def stated(records: Sequence[Record], shown: Shown = "headline") -> list[str]:
    """The conditions of what is drawn of these runs, in sentences."""
    return sentences(records, shown)


def ms_with_headline_aggregation(record: Record) -> float:
    """Median milliseconds of an output frame: of the prediction and of the aggregation of its headline."""
    return record.cost.ms_per_frame(headline(record))


def spread(value: Value) -> tuple[float, float]:
    """How far the interval of a value reaches below and above it; nowhere where it has none."""
    lengths = (value.action_mean - value.low, value.high - value.action_mean)
    below, above = (max(0.0, length) if math.isfinite(length) else 0.0 for length in lengths)
    return below, above


def left_out(there_are: int, shown: int) -> str:
    return f" Only the first {shown} of {there_are} are drawn." if there_are > shown else ""


def not_there(what: str, names: Iterable[str]) -> str:
    """Says under a figure whose arrays it lacks; ``names``: of methods."""
    missed = ", ".join(dict.fromkeys(names))
    return f" Not drawn, as {what} are not there: {missed}." if missed else ""


def new_figure(height: float, width: float = COLUMN_INCHES) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def legend_columns(names: Sequence[str]) -> int:
    """How many entries of a legend fit beside each other in one column of a page, all rows about as full."""
    most = max(1, min(4, 58 // (max(map(len, names), default=0) + 4)))
    return math.ceil(len(names) / max(1, math.ceil(len(names) / most)))


def legend_above(figure: Figure, once: bool = False, **options: Any) -> None:
    """A legend over all panels; ``once``: lines of one name share an entry; ``options``: of Matplotlib."""
    found: dict[Any, tuple[Any, str]] = {}
    for axes in figure.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(name if once else id(handle), (handle, name))
    handles, names = [handle for handle, _ in found.values()], [name for _, name in found.values()]
    columns = legend_columns(list(dict.fromkeys(names)))
    entries: dict[str, Any] = {"handles": handles, "labels": names, "ncols": columns}
    look = {"loc": "outside upper center", "frameon": False, "columnspacing": 1.0, "handletextpad": 0.3}
    figure.legend(**entries | look | options)


def light_grid(axes: Axes) -> None:
    """Thin lines behind what is drawn, and no frame above and on the right."""
    axes.grid(True, which="major", linewidth=0.3, color="0.88")
    axes.set_axisbelow(True)
    seaborn.despine(ax=axes)


def plain_log_ticks(axis: Axis, limits: tuple[float, float]) -> None:
    """Ticks of a logarithmic axis as plain numbers, few enough for its length."""
    span = limits[1] / limits[0]
    steps: tuple[float, ...] = (1, 2, 5) if span < 200 else (1,)
    if span < 10:
        steps = (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9) if span < 5 else (1, 1.5, 2, 3, 5, 7)
    axis.set_major_locator(MaxNLocator(5) if span < 2.5 else LogLocator(subs=steps, numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
