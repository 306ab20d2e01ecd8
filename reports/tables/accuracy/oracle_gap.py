"""What deployable aggregations leave to the oracles, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.results.record import Record, ValueKind
from reports.rules.comparability import (
    aggregations,
    groups_of,
    headline,
    in_table_order,
    use_of_truth,
    usual_device,
)
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry
from reports.rules.names import MEAN_OVER_ACTIONS, aggregation_title, row_names
from reports.tables.cells import (
    ABOUT_FRAMES,
    DIFFERENCES,
    METHOD_AND_AGGREGATION,
    SHAPE,
    Draft,
    Entered,
    block,
    difference_cell,
    shape,
    time_cell,
    value_number,
)
from reports.tables.layout import Layout
from reports.writers.table import Cell, Column, Table

NOT_COUNTED = "it needs ground truth, so it cannot be deployed"


def oracle_gap(entries: Sequence[Entry], title: str) -> Table:
    """A row per aggregation that is no oracle: its error, how far the oracles are ahead, and its time."""
    found = in_table_order(pair for entry in entries for pair in aggregations(entry))
    oracles = [(name, kind) for name, kind in found if kind == "oracle"]
    columns = (
        *METHOD_AND_AGGREGATION,
        *SHAPE,
        Column("MPJPE"),
        *(Column(aggregation_title(*oracle), "MPJPE minus") for oracle in oracles),
        Column("predict", "ms/window"),
        Column("aggregate", "ms/window"),
    )
    blocks = []
    for heading, text, group in groups_of(entries):
        where = usual_device(entry for entry in group if headline(entry) and isinstance(entry, Record))
        rows = [
            _row(entry, name, aggregation, kind, [oracle for oracle, _ in oracles], where)
            for entry, name in zip(group, row_names(group), strict=True)
            if isinstance(entry, Record)
            for aggregation, kind in aggregations(entry)
            if kind in ("deployable", "assisted")
        ]
        blocks += [block(rows, text, heading, [6])] if rows else []
    names = ", ".join(str(oracle) for oracle, _ in oracles)
    notes = (
        MEAN_OVER_ACTIONS,
        ABOUT_FRAMES,
        f"MPJPE minus {names}: what choosing with the ground-truth pose would still gain.",
        DIFFERENCES,
        "aggregate: time at batch 1 to make one pose of the H hypotheses of the last step, on top of predict.",
    )
    return Table(title, columns, tuple(blocks), paragraphs(entries), notes)


def _row(
    record: Record, name: str, aggregation: str | None, kind: ValueKind, oracles: Sequence[str | None], where: str
) -> Draft:
    row: list[Entered] = [Cell(name), Cell(aggregation_title(aggregation, kind)), *shape(record)]
    row.append(value_number(record, "mpjpe", aggregation))
    value = record.value("mpjpe", aggregation)
    for oracle in oracles:
        best = record.value("mpjpe", oracle)
        if value is None or best is None:
            row.append(Cell(reason="not computed in this run"))
        else:
            row.append(difference_cell(record.difference(value, record, best)))
    row.append(time_cell(record, lambda cost: cost.latency.median_ms, where))
    why_not = NOT_COUNTED if kind == "assisted" else "not measured in this run"
    known = aggregation in record.cost.aggregation_ms
    spent = time_cell(record, lambda cost: cost.aggregation_ms.get(aggregation or "", math.nan), where)
    row.append(spent if known else Cell(reason=why_not))
    return Draft(row, record.runs, use_of_truth(aggregation, kind))


LAYOUT = Layout("oracle_gap", oracle_gap, "gap to the oracle aggregations")
