"""MPJPE and time on the grid of hypotheses and steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bench.results.grouping import grouped
from reports.figures.accuracy.sampling import convergence, error_by_hypotheses, error_by_steps, error_heatmap
from reports.rules.comparability import (
    SAMPLING,
    Line,
    aggregations,
    into_lines,
    same_but,
    sections,
    source,
    sources,
    usual_device,
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
    """Frames of every method, "D3DP 27 in, 27 out"; a grid has no columns for them."""
    found = grouped(entries, lambda entry: (method_name(entry), *(cell.text or "–" for cell in frames(entry))))
    return "; ".join(f"{name} {seen} in, {given} out" for name, seen, given in found)


def _blocks_of_grid(grid: Line, widths: list[int], place: str, section: str) -> Iterator[Block]:
    pairs = dict.fromkeys(pair for entry in grid.slots.values() for pair in aggregations(entry))
    for aggregation, kind in pairs:
        number = partial(value_number, metric="mpjpe", aggregation=aggregation)
        text = f"{place}, {aggregation_title(aggregation, kind)}: MPJPE"
        yield Block(_rows(grid, widths, number, ranked=True), text, section)
    where = usual_device(grid.slots.values())
    time = partial(time_cell, quantity=lambda cost: cost.latency.median_ms, where=where)
    yield Block(_rows(grid, widths, time, ranked=False), f"{place}: ms/window", section)


def _rows(grid: Line, widths: list[int], cell: Callable[[Entry], Entered], ranked: bool) -> tuple[Row, ...]:
    """A row for each K, a column for each H; best and second are of the whole grid."""
    steps = sorted({entry.conditions.steps for entry in grid.slots.values()})
    found = [grid.slots.get((width, step)) for step in steps for width in widths]
    cells = [cell(entry) if entry else Cell(reason="this pair of H and K was not run") for entry in found]
    cells = rank(cells, [0 if ranked else None] * len(cells))
    rows = []
    for number, step in enumerate(steps):
        its = slice(number * len(widths), (number + 1) * len(widths))
        runs = tuple(run for entry in found[its] if entry for run in entry.runs)
        rows.append(Row((Cell(str(step)), *map(cell_of, cells[its])), runs))
    return tuple(rows)


LAYOUT = Layout("sampling", sampling, figures=(error_heatmap, convergence, error_by_hypotheses, error_by_steps))
