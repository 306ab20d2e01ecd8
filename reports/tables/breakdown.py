"""Errors by action, by test sequence and by activity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.results.record import Mean, Record
from reports.rules.comparability import (
    HIGHER_IS_BETTER,
    SCORES,
    aggregation_title,
    headline,
    sections,
    sources,
    split_by_source,
)
from reports.rules.conditions import paragraphs
from reports.rules.names import row_names
from reports.tables.cells import measured, rank_columns, shape, with_runs
from reports.writers.table import Block, Cell, Column, Row, Table


def actions(records: Sequence[Record], title: str) -> Table:
    """MPJPE by action for the headline aggregation; actions run down the page where that is narrower."""
    across = _actions_across(records, title)
    if len(sections(records)) > 1:
        return across
    down = _transposed(across)
    return down if down.width() < across.width() else across


def _actions_across(records: Sequence[Record], title: str) -> Table:
    names = dict.fromkeys(action for record in records for value in record.values for action in value.per_action)
    columns = (Column("Method", align="l"), *map(Column, names), Column("Mean"))
    blocks = []
    for heading, members in sections(records):
        for text, group in split_by_source(members, sources(records)):
            rows = [[Cell(label)] for label in row_names(group)]
            for row, record in zip(rows, group, strict=True):
                row += _action_cells(record, names)
            rows = rank_columns(rows, [0] * len(rows), range(1, len(columns)))
            blocks.append(Block(with_runs(rows, [record.runs for record in group]), text, heading))
    shown = dict.fromkeys(aggregation_title(headline(record), "") for record in records)
    note = (
        f"MPJPE in mm, mean over an action's frames; aggregation: {', '.join(shown)}. Intervals: of the mean only."
    )
    return Table(title, columns, tuple(blocks), paragraphs(records, "headline"), (note,))


def _action_cells(record: Record, names: Iterable[str]) -> list[Cell]:
    absent = "the evaluated part has no window of this action"
    cells = _part_cells(record, "mpjpe", "per_action", names, absent)
    return [*cells, measured(record, "mpjpe", headline(record), "")]


def sequences(records: Sequence[Record], title: str) -> Table:
    """PCK, AUC and MPJPE of the headline by test sequence, their mean, and the mean over all frames."""
    return _by_part(records, title, "per_action", {"Mean": "actions", "All frames": "frames"})


def activities(records: Sequence[Record], title: str) -> Table:
    """PCK, AUC and MPJPE of the headline by activity, and over all frames; no rows if frames have no labels."""
    return _by_part(records, title, "per_activity", {"All frames": "frames"})


def _by_part(records: Sequence[Record], title: str, part: str, totals: dict[str, Mean]) -> Table:
    names = dict.fromkeys(name for record in records for value in record.values for name in getattr(value, part))
    columns = (Column("Method", align="l"), *(Column(header) for header in ("F", *names, *totals)))
    blocks = []
    for heading, members in sections(records):
        for text, group in split_by_source(members, sources(records)):
            for metric, name in SCORES.items() if names else ():
                rows = [
                    [Cell(label), shape(record)[0]] for label, record in zip(row_names(group), group, strict=True)
                ]
                for row, record in zip(rows, group, strict=True):
                    row += _part_cells(record, metric, part, names, "none of its valid frames was evaluated")
                    row += [measured(record, metric, headline(record), "", over) for over in totals.values()]
                ranks = range(2, len(columns))
                rows = rank_columns(rows, [0] * len(rows), ranks, ranks if metric in HIGHER_IS_BETTER else ())
                blocks.append(
                    Block(with_runs(rows, [record.runs for record in group]), f"{text}, {name}", heading)
                )
    shown = dict.fromkeys(aggregation_title(headline(record), "") for record in records)
    note = (
        "PCK and AUC in percent over 14 joints, MPJPE in mm over 17, mean over the frames of each column; "
        f"aggregation: {', '.join(shown)}. Intervals: of the last columns only."
    )
    return Table(title, columns, tuple(blocks), paragraphs(records, "headline"), (note,))


def _part_cells(record: Record, metric: str, part: str, names: Iterable[str], absent: str) -> list[Cell]:
    value = record.value(metric, headline(record))
    means: dict[str, float] = getattr(value, part) if value else {}
    return [Cell(f"{means[name]:.1f}", means[name]) if name in means else Cell(reason=absent) for name in names]


def _transposed(table: Table) -> Table:
    """Rows become columns, with the heading of their block above them."""
    pairs = [(block, row) for block in table.blocks for row in block.rows]
    columns = [Column("Action", align="l")]
    columns += [Column(row.cells[0].text, block.heading) for block, row in pairs]
    runs = tuple(run for _, row in pairs for run in row.runs)
    rows = [
        Row((Cell(column.header), *(row.cells[index] for _, row in pairs)), runs)
        for index, column in enumerate(table.columns)
        if index > 0
    ]
    blocks = (Block(tuple(rows[:-1])), Block(tuple(rows[-1:]), "Over all actions"))
    return Table(table.title, tuple(columns), blocks, table.conditions, table.notes)
