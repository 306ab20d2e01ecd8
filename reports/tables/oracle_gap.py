"""The layout of gaps: what a deployable aggregation leaves to the oracles, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results.record import Record
from reports.rules.comparability import (
    aggregation_title,
    aggregations,
    sections,
    sources,
    split_by_source,
    use_of_truth,
)
from reports.rules.conditions import paragraphs
from reports.rules.names import row_names
from reports.tables.cells import (
    DIFFERENCES,
    Matrix,
    difference_cell,
    measured,
    rank_columns,
    shape,
    significant,
    with_runs,
)
from reports.writers.table import Block, Cell, Column, Table

ORACLES = ("P-Best", "J-Best")

NOT_COUNTED = "it needs ground truth, so nobody would run it"


def gaps(records: Sequence[Record], title: str) -> Table:
    """A row per aggregation that is no oracle: its error, how far the oracles are ahead, and its time."""
    columns = (
        *(Column(header, align="l") for header in ("Method", "Aggregation")),
        *(Column(header) for header in ("F", "H", "K", "MPJPE")),
        *(Column(f"{oracle}†", "MPJPE minus") for oracle in ORACLES),
        Column("predict", "ms/window"),
        Column("aggregate", "ms/window"),
    )
    blocks = []
    for heading, members in sections(records):
        for text, group in split_by_source(members, sources(records)):
            rows: Matrix = []
            groups: list[str] = []
            runs: list[tuple[str, ...]] = []
            for record, name in zip(group, row_names(group), strict=True):
                for aggregation, kind in aggregations(record):
                    if kind in ("deployable", "assisted"):
                        rows.append(_row(record, name, aggregation, kind))
                        groups.append(use_of_truth(aggregation, kind))
                        runs.append(record.runs)
            if rows:
                blocks.append(Block(with_runs(rank_columns(rows, groups, [5]), runs), text, heading))
    notes = (
        "Errors in mm, mean over actions of the mean over an action's frames.",
        "MPJPE minus P-Best, J-Best: what choosing with the ground-truth pose would still gain.",
        DIFFERENCES,
        "aggregate: time at batch 1 to make one pose of the H hypotheses of the last step, on top of predict.",
    )
    return Table(title, columns, tuple(blocks), paragraphs(records), notes)


def _row(record: Record, name: str, aggregation: str | None, kind: str) -> list[Cell]:
    row = [Cell(name), Cell(aggregation_title(aggregation, kind)), *shape(record)]
    row.append(measured(record, "mpjpe", aggregation, ""))
    value = record.value("mpjpe", aggregation)
    for oracle in ORACLES:
        best = record.value("mpjpe", oracle)
        if value is None or best is None:
            row.append(Cell(reason="not computed in this run"))
        else:
            row.append(difference_cell(record.difference(value, record, best, same_trainings=True)))
    spent = record.cost.aggregation_ms.get(aggregation or "")
    absent = NOT_COUNTED if kind == "assisted" else "not measured in this run"
    row += [
        significant(record.cost.latency.median_ms),
        Cell(reason=absent) if spent is None else significant(spent),
    ]
    return row
