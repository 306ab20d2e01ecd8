"""What can be had for which time and memory: the front over everything tried, measured or left out.

A point is a record under one aggregation that looks at no ground truth. The front is exact over the measured
points: no other one is as good in error, time and memory, and better in one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.results.record import Record
from reports.rules.candidates import candidates, front
from reports.rules.comparability import aggregation_title, sections, sources, split_by_source
from reports.rules.conditions import paragraphs
from reports.rules.names import row_names
from reports.tables.cells import measured, ms_per_frame, rank_columns, shape, significant, with_runs
from reports.writers.table import Block, Cell, Column, Table

if TYPE_CHECKING:
    pass


def pareto(records: Sequence[Record], title: str) -> Table:
    """A row per point of the front, then the measured points that it dominates, then what was not run, and why."""
    columns = (
        *(Column(header, align="l") for header in ("Method", "Aggregation")),
        *(Column(header) for header in ("F", "H", "K", "MPJPE", "ms/frame", "MB")),
    )
    blocks = []
    for heading, members in sections(records):
        for text, group in split_by_source(members, sources(records)):
            for name, rows in _rows(group).items():
                cells = rank_columns([cells for cells, _ in rows], [0] * len(rows), [5, 6, 7])
                block = with_runs(cells, [runs for _, runs in rows])
                blocks += [Block(block, f"{text}: {name}" if text else name, heading)] * bool(rows)
    notes = (
        "MPJPE in mm, mean over actions of the mean over an action's frames; ms/frame: median at batch 1, with "
        "what the aggregation takes, but for what was not run; MB: peak memory of one prediction.",
        "Front: no other measured point is at least as good in all three and better in one; exact over what was "
        "measured.",
    )
    return Table(title, columns, tuple(blocks), paragraphs(records), notes)


def _rows(records: Sequence[Record]) -> dict[str, list[tuple[list[Cell], tuple[str, ...]]]]:
    present = [record for record in records if not record.absent]
    names = dict(zip([record.id for record in records], row_names(records), strict=True))
    points = candidates(present)
    best = set(front([point.place for point in points]))
    rows: dict[str, list[tuple[list[Cell], tuple[str, ...]]]] = {"front": [], "measured": [], "not run": []}
    for index, point in enumerate(points):
        record, aggregation = point.record, point.value.aggregation
        cells = [Cell(names[record.id]), Cell(aggregation_title(aggregation, "")), *shape(record)]
        cells += [measured(record, "mpjpe", aggregation, ""), *map(significant, point.place[1:])]
        rows["front" if index in best else "measured"].append((cells, record.runs))
    for record in records:
        if record.absent:
            cells = [Cell(names[record.id]), Cell(""), *shape(record), measured(record, "mpjpe", None, "")]
            cells += [ms_per_frame(record), significant(record.cost.peak_memory_mb)]
            rows["not run"].append((cells, record.runs))
    return rows
