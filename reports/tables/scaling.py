"""How time and memory grow: with frames, hypotheses, steps, windows in a batch and workers.

Along an axis everything else stays as it is in the row that most rows agree with. An exponent is the slope of a
straight line through the logarithms: 1 is proportional, 0 is constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.results.record import Record
from reports.rules.comparability import device, grouped
from reports.rules.scaling import (
    AXES,
    QUANTITIES,
    Fit,
    Series,
    _conditions,
    _name,
    _two_digits,
    megabytes,
    milliseconds,
    place,
    series,
)
from reports.tables.cells import significant, with_runs
from reports.writers.table import Block, Cell, Column, Table

if TYPE_CHECKING:
    pass


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


def _exponent(fit: Fit | None) -> str:
    if fit is None:
        return "not known"
    text = _two_digits(fit.exponent)
    return text if fit.half is None else f"{text} ± {fit.half:.2f}"
