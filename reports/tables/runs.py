"""A row per run, whatever was varied."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results.record import Record
from reports.rules.comparability import (
    METRICS,
    aggregation_order,
    aggregation_title,
    aggregations,
    headline,
    sections,
    sources,
    split_by_source,
)
from reports.rules.conditions import paragraphs
from reports.rules.names import row_names
from reports.tables.cells import measured, ms_per_frame, rank_columns, shape, with_runs
from reports.tables.main import MEAN_OVER_ACTIONS
from reports.writers.table import Block, Cell, Column, Table


def runs(records: Sequence[Record], title: str) -> Table:
    """One row per record, whatever was varied: the headline and, marked, the other aggregations."""
    found = [pair for record in records for pair in aggregations(record) if pair[0] != headline(record)]
    others = sorted(dict.fromkeys(found), key=lambda pair: aggregation_order(pair[0]))
    columns = [
        *(Column(header, align="l") for header in ("Run", "Method", "Aggregation")),
        *(Column(header) for header in ("F", "H", "K", "ms/frame")),
        *(Column(name, "Headline") for name in METRICS.values()),
        *(Column(aggregation_title(*pair), "MPJPE") for pair in others),
    ]
    blocks = []
    for heading, members in sections(records):
        for text, group in split_by_source(members, sources(records)):
            rows = [_run_row(record, name, others) for name, record in zip(row_names(group), group, strict=True)]
            rows = rank_columns(rows, [0] * len(rows), range(7, len(columns)))
            blocks.append(Block(with_runs(rows, [record.runs for record in group]), text, heading))
    return Table(title, tuple(columns), tuple(blocks), paragraphs(records), (MEAN_OVER_ACTIONS,))


def _run_row(record: Record, name: str, others: list[tuple[str | None, str]]) -> list[Cell]:
    chosen = headline(record)
    kinds = dict(aggregations(record))
    cells = [
        Cell(record.id),
        Cell(name),
        Cell(aggregation_title(chosen, "")),
        *shape(record),
        ms_per_frame(record),
    ]
    cells += [measured(record, metric, chosen, "") for metric in METRICS]
    for aggregation, kind in others:
        absent = "a deterministic method has no aggregation" if chosen is None else "not computed in this run"
        known = kinds.get(aggregation) == kind
        cells.append(measured(record if known else None, "mpjpe", aggregation, absent))
    return cells
