"""MPJPE and time on the grid of hypotheses and steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from bench.results.record import Record
from reports.rules.comparability import (
    SAMPLING,
    Line,
    aggregation_title,
    aggregations,
    arranged,
    same_but,
    sections,
    source,
    sources,
)
from reports.rules.conditions import paragraphs
from reports.rules.names import row_names, sampling_size
from reports.tables.cells import measured, ranked, significant
from reports.writers.table import Block, Cell, Column, Row, Table


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
