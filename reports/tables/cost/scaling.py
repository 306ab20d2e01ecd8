"""How time and memory grow: with frames, hypotheses, steps, windows in a batch and workers.

Along an axis everything else stays as it is in the row that most rows agree with. An exponent is the slope of a
straight line through the logarithms: 1 is proportional, 0 is constant.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.results.grouping import grouped
from reports.figures.cost.scaling import growth
from reports.rules.comparability import device
from reports.rules.entries import Entry
from reports.rules.scaling import (
    AXES,
    QUANTITIES,
    Fit,
    Series,
    cost_conditions,
    method_and_arithmetic,
    milliseconds,
    place,
    series_of,
    two_digits,
)
from reports.tables.cells import (
    ABOUT_FRAMES,
    NOT_MEASURED,
    SHAPE,
    Draft,
    block,
    memory_cell,
    shape,
    significant,
    timed,
)
from reports.tables.layout import Layout
from reports.writers.table import Cell, Column, Table

UNKNOWN = "not known on this system"


def scaling(entries: Sequence[Entry], title: str) -> Table:
    """A row per measured place, under the exponents of its method and axis; devices stand apart."""
    columns = (
        Column("Method", align="l"),
        *SHAPE,
        *(Column(header) for header in ("Batch", "Workers", "GFLOPs", "ms/call", "Windows/s")),
        *(Column(header, "Memory (MB)") for header in ("added", "peak")),
    )
    blocks = []
    by_device = grouped(entries, device)
    for where, members in by_device.items():
        heading = where if len(by_device) > 1 else ""
        for name, its in grouped(members, method_and_arithmetic).items():
            for along in series_of(its):
                rows = [Draft(_row(entry), entry.runs) for entry in along.entries]
                blocks.append(block(rows, _exponents(name, along), heading))
    notes = (
        ABOUT_FRAMES,
        "Exponent: slope of log time or log added memory over the log of the axis, least squares, with its 95 % "
        "interval; everything else is as in the other rows of its method.",
        "ms/call: median of a call of the whole batch, divided by the workers that predict at the same time. "
        "GFLOPs: of a call. Added: what one process's prediction adds to what was there before it.",
    )
    conditions = tuple(cost_conditions(where, members) for where, members in by_device.items())
    return Table(title, columns, tuple(blocks), conditions, notes)


def _row(entry: Entry) -> list[Cell]:
    at, call = place(entry), milliseconds(entry)
    cells = [Cell(entry.title), *shape(entry), Cell(str(at.batch)), Cell(str(at.workers))]
    if entry.cost is None or not call:
        return [*cells, *[Cell(reason=NOT_MEASURED)] * 3, Cell(reason=UNKNOWN), Cell(reason=NOT_MEASURED)]
    cells += [significant(entry.cost.flops_per_window * at.batch / 1e9), timed(entry, significant(call))]
    cells.append(timed(entry, significant(1000 * at.batch / call)))
    added = entry.cost.added_memory_mb
    cells.append(Cell(reason=UNKNOWN) if added is None else significant(added))
    return [*cells, memory_cell(entry.cost)]


def _exponents(name: str, along: Series) -> str:
    parts = [f"{what} {_exponent(along.fit(quantity))}" for what, quantity in QUANTITIES.items()]
    return f"{name}, exponent over {AXES[along.axis]}: {', '.join(parts)}"


def _exponent(fit: Fit | None) -> str:
    if fit is None:
        return "not known"
    text = two_digits(fit.exponent)
    return text if fit.half is None else f"{text} ± {fit.half:.2f}"


LAYOUT = Layout("scaling", scaling, figures=(growth,))
