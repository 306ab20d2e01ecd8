"""What can be had for which time and memory: the front over everything tried, measured or left out.

A point is a record under one aggregation that looks at no ground truth. The front is exact over the measured
points: no other one is as good in error, time and memory, and better in one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from bench.results.record import Record, Value
from reports.figures.style import (
    STYLE,
    Drawing,
    left_out,
    looks_of,
    new_figure,
    plain_log_ticks,
    settings,
    with_conditions,
)
from reports.rules.comparability import (
    aggregation_title,
    aggregations,
    grouped,
    row_names,
    sections,
    sources,
    split_by_source,
)
from reports.rules.conditions import paragraphs
from reports.tables.cells import measured, ms_per_frame, rank_columns, shape, significant, with_runs
from reports.writers.table import Block, Cell, Column, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_POINTS = 500


class Candidate(NamedTuple):
    """A measured point: (error in mm, ms per frame, MB) of a record under one aggregation."""

    record: Record
    value: Value
    place: tuple[float, float, float]


def candidates(records: Sequence[Record]) -> list[Candidate]:
    """All measured points, in order of time."""
    found = []
    for record in records:
        for aggregation, kind in aggregations(record):
            value = record.value("mpjpe", aggregation)
            if value is not None and kind in ("deterministic", "deployable"):
                place = value.action_mean, _milliseconds(record, aggregation), record.cost.peak_memory_mb
                found.append(Candidate(record, value, place))
    return sorted(found, key=lambda candidate: candidate.place[1])


def front(places: Sequence[tuple[float, ...]]) -> list[int]:
    """Indices of the places that no other one dominates; lower is better everywhere. Equal ones stand together."""
    return [
        index
        for index, place in enumerate(places)
        if not any(other != place and all(a <= b for a, b in zip(other, place, strict=True)) for other in places)
    ]


def _milliseconds(record: Record, aggregation: str | None) -> float:
    cost = record.cost
    return cost.latency.ms_per_frame + cost.aggregation_ms.get(aggregation or "", 0.0) / cost.latency.frames


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


def trade_off(records: Sequence[Record]) -> list[Drawing]:
    """Error over time: the front, what was measured beside it, and at the upper edge what was not run."""
    drawings = []
    for name, group in settings(records):
        present = [record for record in group if not record.absent]
        skipped = [record for record in group if record.absent and record.cost.latency.median_ms > 0]
        points = candidates(present)
        if len(points) < 2:
            continue
        caption = (
            "Error against time of every point tried. Filled: the front in error, time and memory, exact over the "
            f"{len(points)} measured points; hollow: measured and dominated; crosses at the upper edge: "
            f"{len(skipped)} experiments that were priced but not run, or failed (the table says why)."
            f"{left_out(len(points), MOST_POINTS)}"
        )
        figure = _figure(points[:MOST_POINTS], skipped)
        drawings.append(Drawing(f"front{name}", figure, with_conditions(caption, present)))
    return drawings


def _figure(points: Sequence[Candidate], skipped: Sequence[Record]) -> Figure:
    import matplotlib
    import seaborn

    with matplotlib.rc_context(STYLE):
        figure = new_figure(2.4)
        axes = figure.add_subplot()
        looks = looks_of([point.record.title for point in points])
        best = set(front([point.place for point in points]))
        look = grouped(range(len(points)), lambda index: (points[index].record.title, index in best))
        for (title, on_front), members in look.items():
            colour, marker = looks[title]
            errors, milliseconds, _ = zip(*(points[index].place for index in members), strict=True)
            filled = colour if on_front else "none"
            axes.plot(milliseconds, errors, marker, color=colour, markersize=3.5, markerfacecolor=filled)
        for title, (colour, marker) in looks.items():
            axes.plot([], [], marker, color=colour, markersize=3.5, label=title)
        if skipped:
            times = [record.cost.latency.ms_per_frame for record in skipped]
            axes.plot(
                times, [0.98] * len(times), "x", transform=axes.get_xaxis_transform(), color="0.4", markersize=3,
                markeredgewidth=0.6, label="not run",
            )  # fmt: skip
        axes.set(xscale="log", xlabel="Median time per output frame (ms)", ylabel="MPJPE (mm)")
        plain_log_ticks(axes.xaxis, axes.get_xlim())
        axes.grid(True, which="major", linewidth=0.3, color="0.88")
        seaborn.despine(ax=axes)
        figure.legend(ncols=3, loc="outside upper center", frameon=False, columnspacing=1.0, handletextpad=0.3)
    return figure
