"""How time and memory grow: with frames, hypotheses, steps, windows in a batch and workers.

Along an axis everything else stays as it is in the row that most rows agree with. An exponent is the slope of a
straight line through the logarithms: 1 is proportional, 0 is constant.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.results.record import Record
from reports.figures.style import COLUMN_INCHES, STYLE, Drawing, looks_of, new_figure, plain_log_ticks
from reports.rules.comparability import device, grouped, untrained
from reports.tables.cells import significant, with_runs
from reports.writers.table import Block, Cell, Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T_975 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
"""Student's t at 97.5 % for 1 to 10 degrees of freedom."""


class Place(NamedTuple):
    """Where on the axes a record lies; the names of the fields are printed."""

    frames: int
    hypotheses: int
    steps: int
    batch: int
    workers: int


AXES = {
    "frames": "Frames F",
    "hypotheses": "Hypotheses H",
    "steps": "Steps K",
    "batch": "Windows in a batch",
    "workers": "Workers",
}


class Fit(NamedTuple):
    """``factor * x ** exponent``; ``half``: of the exponent's 95 % interval, None for two points."""

    exponent: float
    half: float | None
    factor: float


class Series(NamedTuple):
    """Records of one method along one axis, in order."""

    axis: str
    records: list[Record]

    def positions(self) -> list[int]:
        return [getattr(place(record), self.axis) for record in self.records]

    def fit(self, quantity: Callable[[Record], float | None]) -> Fit | None:
        """Of a quantity, where it is known and positive in two or more places."""
        known = [
            (x, y) for x, record in zip(self.positions(), self.records, strict=True) if (y := quantity(record))
        ]
        return fitted(known)


def place(record: Record) -> Place:
    setup, conditions = record.cost.setup, record.conditions
    batch, workers = (setup.batch, setup.workers) if setup else (1, 1)
    return Place(record.cost.latency.frames, conditions.hypotheses, conditions.steps, batch, workers)


def milliseconds(record: Record) -> float:
    """Of a call; with several workers, of a call divided by them."""
    its = place(record)
    return record.cost.latency.median_ms * its.batch / its.workers


def megabytes(record: Record) -> float | None:
    """That one process's prediction adds to what was there before it."""
    return record.cost.added_memory_mb


def fitted(points: Sequence[tuple[float, float]]) -> Fit | None:
    """Least squares in logarithms, with the interval that normal errors of equal size would give."""
    if len({x for x, _ in points}) < 2:
        return None
    x, y = np.log(np.array(points, dtype=float)).T
    centred = x - x.mean()
    exponent = float(centred @ y / (centred @ centred))
    errors = y - y.mean() - exponent * centred
    free = len(points) - 2
    half = None
    if free:
        quantile = T_975[free - 1] if free <= len(T_975) else 1.96 + 2.7 / free
        half = float(quantile * math.sqrt(errors @ errors / free / (centred @ centred)))
    return Fit(exponent, half, float(np.exp(y.mean() - exponent * x.mean())))


def series(records: Sequence[Record]) -> list[Series]:
    """One method's records along every axis on which there are at least two places."""
    places = [place(record) for record in records]
    usual = Place(*(Counter(values).most_common(1)[0][0] for values in zip(*places, strict=True)))
    found = []
    for axis in AXES:
        along = {getattr(its, axis): record for its, record in zip(places, records, strict=True)
                 if its._replace(**{axis: 0}) == usual._replace(**{axis: 0})}  # fmt: skip
        if len(along) > 1:
            found.append(Series(axis, [along[x] for x in sorted(along)]))
    return found


def scaling(records: Sequence[Record], title: str) -> Table:
    """A row per measured place, under the exponents of its method and axis; devices stand apart."""
    columns = (
        Column("Method", align="l"),
        *(Column(header) for header in ("F", "H", "K", "Batch", "Workers", "GFLOPs", "ms/call", "Windows/s")),
        *(Column(header, "Memory (MB)") for header in ("added", "peak")),
    )
    blocks = []
    by_device = grouped(records, device)
    for where, members in by_device.items():
        heading = where if len(by_device) > 1 else ""
        for name, its in grouped(members, _name).items():
            for along in series(its):
                rows = with_runs([_row(record) for record in along.records], [r.runs for r in along.records])
                blocks.append(Block(rows, _exponents(name, along), heading))
    notes = (
        "Exponent: slope of log time or log added memory over the log of the axis, least squares, with its 95 % "
        "interval; everything else is as in the other rows of its method.",
        "ms/call: median of a call of the whole batch, divided by the workers that predict at the same time. "
        "GFLOPs: of a call. Added: what one process's prediction adds to what was there before it.",
    )
    conditions = tuple(" ".join(_conditions(where, members)) for where, members in by_device.items())
    return Table(title, columns, tuple(blocks), conditions, notes)


def growth(records: Sequence[Record]) -> list[Drawing]:
    """Time above, added memory below, over every axis; dots measured, lines fitted; a figure for each device."""
    drawings = []
    by_device = grouped(records, device)
    for number, (where, group) in enumerate(by_device.items(), start=1):
        found = [along for its in grouped(group, _name).values() for along in series(its)]
        if found:
            caption = (
                "Time of a call (above; of a call divided by the workers, where they vary) and memory that a "
                "prediction adds (below). Dots: measured; lines: power laws fitted to them, with their exponents "
                "in the corner, in the order of the legend."
            )
            text = " ".join([caption, *_conditions(where, group)])
            end = f"-{number}" if len(by_device) > 1 else ""
            drawings.append(Drawing(f"growth{end}", _figure(found), text))
    return drawings


def _name(record: Record) -> str:
    arithmetic = _arithmetic(record)
    return f"{record.title} {record.preset}{'' if arithmetic == 'fp32' else f' {arithmetic}'}"


def _arithmetic(record: Record) -> str:
    setup = record.cost.setup
    return "" if setup is None else f"{setup.precision}{' compiled' * setup.compiled}"


def _conditions(where: str, records: Sequence[Record]) -> list[str]:
    """What costs depend on, in sentences."""
    drawn = [record for record in records if untrained(record)]
    weights = "as drawn, untrained" if len(drawn) == len(records) else "trained" if not drawn else "of both kinds"
    arithmetic = dict.fromkeys(filter(None, map(_arithmetic, records)))
    flip = dict.fromkeys("yes" if record.conditions.flip else "no" for record in records)
    warnings = dict.fromkeys(text for record in records for text in record.environment.warnings)
    return [
        f"Device: {where}.",
        f"Weights: {weights}; costs do not depend on them, errors are not shown.",
        f"Flip: {', '.join(flip)}. Precision: {', '.join(arithmetic)}.",
        f"Data: {', '.join(dict.fromkeys(record.data.label for record in records))}.",
        *(f"Warning: {text}." for text in warnings),
    ]


def _row(record: Record) -> list[Cell]:
    cost = record.cost
    its = place(record)
    cells = [Cell(record.title), *(Cell(str(value)) for value in its)]
    cells += [significant(cost.flops_per_window * its.batch / 1e9), significant(milliseconds(record))]
    cells.append(significant(1000 * its.batch / milliseconds(record)))
    added = megabytes(record)
    cells.append(Cell(reason="not known on this system") if added is None else significant(added))
    return [*cells, significant(cost.peak_memory_mb)]


def _exponents(name: str, along: Series) -> str:
    parts = [f"{what} {_exponent(along.fit(quantity))}" for what, quantity in QUANTITIES.items()]
    return f"{name}, exponent over {AXES[along.axis]}: {', '.join(parts)}"


def _two_digits(number: float) -> str:
    return f"{round(number, 2) + 0.0:.2f}".replace("-", "−")


def _exponent(fit: Fit | None) -> str:
    if fit is None:
        return "not known"
    text = _two_digits(fit.exponent)
    return text if fit.half is None else f"{text} ± {fit.half:.2f}"


QUANTITIES: dict[str, Callable[[Record], float | None]] = {"time": milliseconds, "memory": megabytes}
LABELS = {"time": "ms/call", "memory": "Added memory (MB)"}


def _figure(found: Sequence[Series]) -> Figure:
    import matplotlib
    from matplotlib.lines import Line2D

    axes = [axis for axis in AXES if any(axis == along.axis for along in found)]
    looks = looks_of([along.records[0].title for along in found])
    with matplotlib.rc_context(STYLE):
        figure = new_figure(3.4, 2 * COLUMN_INCHES + 0.2)
        panels = figure.subplots(2, len(axes), squeeze=False, sharex="col", sharey="row")
        for row, (what, quantity) in zip(panels, QUANTITIES.items(), strict=True):
            for panel, axis in zip(row, axes, strict=True):
                along_it = [along for along in found if along.axis == axis]
                for number, along in enumerate(along_it):
                    _draw(panel, along, quantity, *looks[along.records[0].title], line=number)
                _finish(panel, sorted({x for along in along_it for x in along.positions()}))
            row[0].set_ylabel(LABELS[what])
            plain_log_ticks(row[0].yaxis, row[0].get_ylim())
        for panel, axis in zip(panels[1], axes, strict=True):
            panel.set_xlabel(AXES[axis])
        handles = [
            Line2D([], [], color=colour, marker=marker, markersize=3.5, label=title)
            for title, (colour, marker) in looks.items()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=len(looks), frameon=False)
    return figure


def _draw(
    panel: Axes, along: Series, quantity: Callable[[Record], float | None], colour: tuple, marker: str, line: int
) -> None:
    """Dots, their fit, and its exponent in the free corner above small places, a line of text for each method."""
    xs, fit = along.positions(), along.fit(quantity)
    panel.plot(xs, [quantity(record) or math.nan for record in along.records], marker, color=colour, markersize=3)
    if fit is not None:
        ends = np.array([xs[0], xs[-1]], dtype=float)
        panel.plot(ends, fit.factor * ends**fit.exponent, color=colour, linewidth=0.8)
        panel.annotate(
            _two_digits(fit.exponent), (0, 1), xytext=(3, -7 * line), xycoords="axes fraction",
            textcoords="offset points", ha="left", va="top", fontsize=5.5, color=colour,
        )  # fmt: skip


def _finish(panel: Axes, places: list[int]) -> None:
    import seaborn

    panel.set(xscale="log", yscale="log")
    panel.margins(x=0.08, y=0.12)
    panel.set_xticks(places, list(map(str, places)))
    panel.set_xticks([], minor=True)
    panel.grid(True, which="major", linewidth=0.3, color="0.88")
    seaborn.despine(ax=panel)
