"""The accuracy-latency-memory Pareto front of everything tried, what it dominates, and what was not run.

A point is a run under one aggregation that looks at no ground truth.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.results.record import Record
from reports.figures.cost.pareto import pareto_front_figure
from reports.rules.comparability import groups_of
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry, MissingRun
from reports.rules.names import aggregation_title, row_names
from reports.rules.operating_points import FRONT, on_front, operating_points
from reports.tables.cells import (
    ABOUT_FRAMES,
    METHOD_AND_AGGREGATION,
    SHAPE,
    Draft,
    Entered,
    block,
    memory_cell,
    ms_per_frame,
    shape,
    significant,
    timed,
    value_number,
)
from reports.tables.layout import Layout
from reports.writers.table import Cell, Column, Table


def pareto(entries: Sequence[Entry], title: str) -> Table:
    """A row per point of the front, then the measured points that it dominates, then what was not run, and why."""
    columns = (*METHOD_AND_AGGREGATION, *SHAPE, *(Column(header) for header in ("MPJPE", "ms/frame", "MB")))
    blocks = []
    for heading, text, group in groups_of(entries, by_device=True):
        for name, rows in _rows(group).items():
            if rows:
                ranked = [6, 7, 8] if name == "front" else []  # the best of everything are on it
                blocks.append(block(rows, f"{text}: {name}" if text else name, heading, ranked))
    notes = (
        ABOUT_FRAMES,
        "MPJPE in mm, mean over actions of the mean over an action's frames; ms/frame: median at batch 1, with "
        "what the aggregation takes, but for what was not run; MB: peak memory of one prediction.",
        FRONT,
    )
    return Table(title, columns, tuple(blocks), paragraphs(entries, by_device=True), notes)


def _rows(entries: Sequence[Entry]) -> dict[str, list[Draft]]:
    """Rows by heading."""
    names = dict(zip([entry.id for entry in entries], row_names(entries), strict=True))
    points = operating_points([entry for entry in entries if isinstance(entry, Record)])
    best = on_front(points)
    rows: dict[str, list[Draft]] = {"front": [], "measured": [], "not run": []}
    for index, point in enumerate(points):
        record, aggregation = point.record, point.value.aggregation
        cells: list[Entered] = [Cell(names[record.id]), Cell(aggregation_title(aggregation)), *shape(record)]
        time = timed(record, significant(point.place[1]))
        cells += [value_number(record, "mpjpe", aggregation), time, memory_cell(record.cost)]
        rows["front" if index in best else "measured"].append(Draft(cells, record.runs))
    for entry in entries:
        if isinstance(entry, MissingRun):
            cells = [Cell(names[entry.id]), Cell(""), *shape(entry), Cell(reason=entry.reason)]
            cells += [ms_per_frame(entry), memory_cell(entry.cost)]
            rows["not run"].append(Draft(cells, entry.runs))
    return rows


LAYOUT = Layout("pareto", pareto, figures_with_missing=(pareto_front_figure,))
