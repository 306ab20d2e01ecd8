"""MPJPE and time on the grid of hypotheses and steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from reports.figures.accuracy.convergence import convergence
from reports.figures.accuracy.heatmap import error_heatmap
from reports.figures.accuracy.sampling import error_by_hypotheses, error_by_steps
from reports.rules.comparability import (
    SAMPLING,
    Line,
    aggregations,
    grouped,
    into_lines,
    same_but,
    sections,
    source,
    sources,
)
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry
from reports.rules.names import aggregation_title, method_name, row_names, sampling_size
from reports.tables.cells import ABOUT_FRAMES, Entered, cell_of, frames, rank, time_cell, value_number
from reports.tables.layout import Layout
from reports.writers.table import Block, Cell, Column, Row, Table


def sampling(entries: Sequence[Entry], title: str) -> Table:
    """MPJPE on the grid of K (rows) and H (columns) per method and aggregation, then the time it takes."""
    widths = sorted({entry.conditions.hypotheses for entry in entries})
    titles = sources(entries)
    blocks: list[Block] = []
    for heading, members in sections(entries):
        grids = into_lines(members, lambda entry: (same_but(entry, *SAMPLING), source(entry)), sampling_size)
        names = row_names([grid.first for grid in grids])
        for grid, name in zip(grids, names, strict=True):
            place = f"{name}, {titles[source(grid.first)]}" if len(titles) > 1 else name
            blocks += _blocks_of_grid(grid, widths, place, heading)
    columns = (Column("K"), *(Column(f"H = {width}") for width in widths))
    notes = (
        "MPJPE in mm, mean over actions of the mean over an action's frames; best and second are of one grid.",
        "ms/window: median at batch 1, with every hypothesis, step and flip.",
        f"{ABOUT_FRAMES} {_frames(entries)}.",
    )
    return Table(title, columns, tuple(blocks), paragraphs(entries), notes)


def _frames(entries: Sequence[Entry]) -> str:
    """Of every method, "D3DP 27 in, 27 out"; a grid has no columns for them."""
    found = grouped(entries, lambda entry: (method_name(entry), *(cell.text or "–" for cell in frames(entry))))
    return "; ".join(f"{name} {seen} in, {given} out" for name, seen, given in found)


def _blocks_of_grid(grid: Line, widths: list[int], place: str, section: str) -> list[Block]:
    blocks = []
    pairs = dict.fromkeys(pair for entry in grid.slots.values() for pair in aggregations(entry))
    for aggregation, kind in pairs:
        number = partial(value_number, metric="mpjpe", aggregation=aggregation, why_not="")
        cells, runs = _on_grid(grid, widths, number)
        text = f"{place}, {aggregation_title(aggregation, kind)}: MPJPE"
        blocks.append(_block(rank(cells, [0] * len(cells)), runs, text, section))
    cells, runs = _on_grid(grid, widths, partial(time_cell, quantity=lambda cost: cost.latency.median_ms))
    return [*blocks, _block(cells, runs, f"{place}: ms/window", section)]


def _on_grid(
    grid: Line, widths: list[int], cell: Callable[[Entry], Entered]
) -> tuple[list[Entered], dict[int, tuple[str, ...]]]:
    """Cells row by row, and K → ids of the runs in its row."""
    cells: list[Entered] = []
    runs = {}
    for step in sorted({entry.conditions.steps for entry in grid.slots.values()}):
        found = [grid.slots.get((width, step)) for width in widths]
        cells += [cell(entry) if entry else Cell(reason="this pair of H and K was not run") for entry in found]
        runs[step] = tuple(entry.id for entry in found if entry)
    return cells, runs


def _block(cells: list[Entered], runs: dict[int, tuple[str, ...]], text: str, section: str) -> Block:
    width = len(cells) // len(runs)
    rows = [
        Row((Cell(str(step)), *map(cell_of, cells[index * width : (index + 1) * width])), ids)
        for index, (step, ids) in enumerate(runs.items())
    ]
    return Block(tuple(rows), text, section)


LAYOUT = Layout("sampling", sampling, figures=(error_heatmap, convergence, error_by_hypotheses, error_by_steps))
