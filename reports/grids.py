"""Layouts that are grids: H by K, and actions by methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from bench.records import Record
from reports.cells import measured, rank_columns, ranked, significant, with_runs
from reports.comparison import (
    SAMPLING,
    Line,
    aggregation_title,
    aggregations,
    arranged,
    headline,
    row_names,
    same_but,
    sampling_size,
    sections,
    source,
    sources,
    split_by_source,
)
from reports.conditions import paragraphs
from reports.tables import Block, Cell, Column, Row, Table


def sampling(records: Sequence[Record], title: str) -> Table:
    """MPJPE on the grid of K (rows) and H (columns) per method and aggregation, then the time it takes."""
    widths = sorted({record.conditions.hypotheses for record in records})
    titles = sources(records)
    blocks: list[Block] = []
    for heading, members in sections(records):
        grids = arranged(members, lambda record: (same_but(record, *SAMPLING), source(record)), sampling_size)
        names = row_names([grid.first for grid in grids])
        for grid, name in zip(grids, names, strict=True):
            place = f"{name}, {titles[source(grid.first)]}" if len(titles) > 1 else name
            blocks += _blocks_of_grid(grid, widths, place, heading)
    columns = (Column("K"), *(Column(f"H = {width}") for width in widths))
    notes = (
        "MPJPE in mm, mean over actions of the mean over an action's frames; best and second are of one grid.",
        "ms/window: median at batch 1, with every hypothesis, step and flip.",
    )
    return Table(title, columns, tuple(blocks), paragraphs(records), notes)


def _blocks_of_grid(grid: Line, widths: list[int], place: str, section: str) -> list[Block]:
    blocks = []
    pairs = dict.fromkeys(pair for record in grid.slots.values() for pair in aggregations(record))
    for aggregation, kind in pairs:
        cells, runs = _on_grid(grid, widths, partial(measured, metric="mpjpe", aggregation=aggregation, absent=""))
        text = f"{place}, {aggregation_title(aggregation, kind)}: MPJPE"
        blocks.append(_block(ranked(cells, [0] * len(cells)), runs, text, section))
    cells, runs = _on_grid(grid, widths, lambda record: significant(record.cost.latency.median_ms))
    return [*blocks, _block(cells, runs, f"{place}: ms/window", section)]


def _on_grid(
    grid: Line, widths: list[int], cell: Callable[[Record], Cell]
) -> tuple[list[Cell], dict[int, tuple[str, ...]]]:
    """Cells row by row, and K → ids of the runs in its row."""
    cells, runs = [], {}
    for step in sorted({record.conditions.steps for record in grid.slots.values()}):
        found = [grid.slots.get((width, step)) for width in widths]
        cells += [cell(record) if record else Cell(reason="this pair of H and K was not run") for record in found]
        runs[step] = tuple(record.id for record in found if record)
    return cells, runs


def _block(cells: list[Cell], runs: dict[int, tuple[str, ...]], text: str, section: str) -> Block:
    width = len(cells) // len(runs)
    rows = [
        Row((Cell(str(step)), *cells[index * width : (index + 1) * width]), ids)
        for index, (step, ids) in enumerate(runs.items())
    ]
    return Block(tuple(rows), text, section)


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
    value = record.value("mpjpe", headline(record))
    per_action = value.per_action if value else {}
    cells = [
        Cell(f"{per_action[name]:.1f}", per_action[name])
        if name in per_action
        else Cell(reason="the evaluated part has no window of this action")
        for name in names
    ]
    return [*cells, measured(record, "mpjpe", headline(record), "")]


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
