"""Errors by action, by test sequence and by activity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bench.results.record import Mean
from reports.rules.comparability import (
    aggregation_order,
    aggregations,
    comparable,
    groups_of,
    headline,
    use_of_truth,
    value_of,
)
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry
from reports.rules.metrics import ERRORS, SCORES, headers, printed_metrics
from reports.rules.names import aggregation_title, headlines, row_names
from reports.tables.cells import ABOUT_FRAMES, FRAMES, Matrix, frames, rank_columns, value_number, with_runs
from reports.tables.layout import Layout
from reports.writers.table import Block, Cell, Column, Table

Part = Literal["per_action", "per_activity"]

NO_WINDOW = "the evaluated part has no window of this action"
NO_FRAME = "none of its valid frames was evaluated"

METHOD_AND_AGGREGATION = (Column("Method", align="l"), Column("Aggregation", align="l"))

PROTOCOLS = {"mpjpe": "Protocol 1", "p_mpjpe": "Protocol 2"}
"""What the field calls two of its metrics."""

SHORT_NAMES = {
    "Directions": "Dir.", "Discussion": "Disc.", "Eating": "Eat", "Greeting": "Greet", "Phoning": "Phone",
    "Photo": "Photo", "Posing": "Pose", "Purchases": "Purch.", "Sitting": "Sit", "SittingDown": "SitD.",
    "Smoking": "Smoke", "Waiting": "Wait", "WalkDog": "WalkD.", "Walking": "Walk", "WalkTogether": "WalkT.",
}  # fmt: skip
"""The actions of Human3.6M as papers head their columns."""


def actions(entries: Sequence[Entry], title: str) -> Table:
    """MPJPE and P-MPJPE (the field's Protocols 1 and 2) by action, a row for every aggregation."""
    names = _names(entries, "per_action")
    infos = printed_metrics(entries, ERRORS)
    columns = (*METHOD_AND_AGGREGATION, *(Column(SHORT_NAMES.get(name, name)) for name in names), Column("Avg"))
    blocks = []
    for heading, text, group in groups_of(entries):
        labels = row_names(group)
        lines = [
            (label, entry, aggregation, kind)
            for label, entry in zip(labels, group, strict=True)
            for aggregation, kind in aggregations(entry) or [(headline(entry), "deployable")]
        ]
        lines.sort(key=lambda line: 0 if use_of_truth(*line[2:]) == "none" else 1 + aggregation_order(line[2]))
        groups = _alike([entry for _, entry, _, _ in lines])
        uses = [
            None if alike is None else use_of_truth(*line[2:]) for alike, line in zip(groups, lines, strict=True)
        ]
        for metric, info in infos.items():
            rows: Matrix = [
                [
                    Cell(label),
                    Cell(aggregation_title(aggregation, kind)),
                    *_part_cells(entry, metric, "per_action", names, NO_WINDOW, aggregation),
                    value_number(entry, metric, aggregation, ""),
                ]
                for label, entry, aggregation, kind in lines
            ]
            higher = range(2, len(columns)) if info.higher_is_better else ()
            rows = rank_columns(rows, uses, range(2, len(columns)), higher)
            parts = (text, PROTOCOLS.get(metric, ""), info.title)
            runs = [entry.runs for _, entry, _, _ in lines]
            blocks.append(Block(with_runs(rows, runs), ", ".join(filter(None, parts)), heading))
    note = "Errors in mm, mean over an action's frames; Avg: mean over actions. Intervals: of Avg only."
    shorter = [f"{SHORT_NAMES[name]} {name}" for name in names if SHORT_NAMES.get(name, name) != name]
    notes = (note, *([f"Actions: {', '.join(shorter)}."] if shorter else []))
    return Table(title, columns, tuple(blocks), paragraphs(entries), notes)


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
                    *_part_cells(entry, metric, part, names, NO_FRAME, headline(entry)),
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


def _part_cells(
    entry: Entry, metric: str, part: Part, names: Sequence[str], why_not: str, aggregation: str | None
) -> list[Cell]:
    value = value_of(entry, metric, aggregation)
    means: dict[str, float] = getattr(value, part) if value else {}
    return [
        Cell(f"{means[name]:.1f}", means[name], decimals=1) if name in means else Cell(reason=why_not)
        for name in names
    ]


ACTIONS = Layout("actions", actions, "errors by action")
SEQUENCES = Layout("sequences", sequences, "results by test sequence")
ACTIVITIES = Layout("activities", activities, "results by activity")
