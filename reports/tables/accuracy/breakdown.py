"""Errors by action, by test sequence and by activity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bench.results.record import Mean
from reports.rules.comparability import comparable, groups_of, headline, sections, value_of
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry
from reports.rules.metrics import SCORES, headers, printed_metrics
from reports.rules.names import headlines, row_names
from reports.tables.cells import ABOUT_FRAMES, FRAMES, Matrix, frames, rank_columns, value_number, with_runs
from reports.tables.layout import Layout
from reports.writers.table import Block, Cell, Column, Row, Table

Part = Literal["per_action", "per_activity"]

NO_WINDOW = "the evaluated part has no window of this action"


def actions(entries: Sequence[Entry], title: str) -> Table:
    """MPJPE by action for the headline aggregation; actions run down the page where that is narrower."""
    across = _actions_across(entries, title)
    if len(sections(entries)) > 1:
        return across
    down = _transposed(across)
    return down if down.width() < across.width() else across


def _actions_across(entries: Sequence[Entry], title: str) -> Table:
    names = _names(entries, "per_action")
    columns = (Column("Method", align="l"), *map(Column, names), Column("Mean"))
    blocks = []
    for heading, text, group in groups_of(entries):
        rows: Matrix = [
            [
                Cell(label),
                *_part_cells(entry, "mpjpe", "per_action", names, NO_WINDOW),
                value_number(entry, "mpjpe", headline(entry), ""),
            ]
            for label, entry in zip(row_names(group), group, strict=True)
        ]
        rows = rank_columns(rows, _alike(group), range(1, len(columns)))
        blocks.append(Block(with_runs(rows, [entry.runs for entry in group]), text, heading))
    note = (
        f"MPJPE in mm, mean over an action's frames; aggregation: {headlines(entries)}. "
        "Intervals: of the mean only."
    )
    return Table(title, columns, tuple(blocks), paragraphs(entries, "headline"), (note,))


def sequences(entries: Sequence[Entry], title: str) -> Table:
    """PCK, AUC and MPJPE of the headline by test sequence, their mean, and the mean over all frames."""
    return _by_part(entries, title, "per_action", {"Mean": "actions", "All frames": "frames"})


def activities(entries: Sequence[Entry], title: str) -> Table:
    """PCK, AUC and MPJPE of the headline by activity, and over all frames; no rows if frames have no labels."""
    return _by_part(entries, title, "per_activity", {"All frames": "frames"})


def _by_part(entries: Sequence[Entry], title: str, part: Part, totals: dict[str, Mean]) -> Table:
    names = _names(entries, part)
    infos = printed_metrics(entries, SCORES)
    columns = (Column("Method", align="l"), *FRAMES, *(Column(header) for header in (*names, *totals)))
    ranks = range(3, len(columns))
    blocks = []
    for heading, text, group in groups_of(entries) if names else ():
        labels = row_names(group)
        for metric, header in zip(infos, headers(infos.values()), strict=True):
            rows: Matrix = [
                [
                    Cell(label),
                    *frames(entry),
                    *_part_cells(entry, metric, part, names, "none of its valid frames was evaluated"),
                    *(value_number(entry, metric, headline(entry), "", over) for over in totals.values()),
                ]
                for label, entry in zip(labels, group, strict=True)
            ]
            higher = ranks if infos[metric].higher_is_better else ()
            rows = rank_columns(rows, _alike(group), ranks, higher)
            blocks.append(Block(with_runs(rows, [entry.runs for entry in group]), f"{text}, {header}", heading))
    note = (
        "PCK and AUC in percent over 14 joints, MPJPE in mm over 17, mean over the frames of each column; "
        f"aggregation: {headlines(entries)}. Intervals: of the last columns only. {ABOUT_FRAMES}"
    )
    return Table(title, columns, tuple(blocks), paragraphs(entries, "headline"), (note,))


def _alike(entries: Sequence[Entry]) -> list[int | None]:
    """Groups for ranking: None for those that may not be compared."""
    return [0 if may else None for may in comparable(entries)]


def _names(entries: Sequence[Entry], part: Part) -> list[str]:
    return list(
        dict.fromkeys(name for entry in entries for value in entry.values for name in getattr(value, part))
    )


def _part_cells(entry: Entry, metric: str, part: Part, names: Sequence[str], why_not: str) -> list[Cell]:
    value = value_of(entry, metric, headline(entry))
    means: dict[str, float] = getattr(value, part) if value else {}
    return [Cell(f"{means[name]:.1f}", means[name]) if name in means else Cell(reason=why_not) for name in names]


def _transposed(table: Table) -> Table:
    """The table with rows and columns exchanged; headings of blocks stand over the new columns."""
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


ACTIONS = Layout("actions", actions, "MPJPE by action")
SEQUENCES = Layout("sequences", sequences, "results by test sequence")
ACTIVITIES = Layout("activities", activities, "results by activity")
