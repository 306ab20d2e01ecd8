"""Errors by action, by test sequence and by activity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bench.results.grouping import grouped
from bench.results.record import Mean, Record
from reports.rules.comparability import (
    aggregations,
    comparable,
    groups_of,
    headline,
    truth_order,
    use_of_truth,
)
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry
from reports.rules.metrics import ERRORS, SCORES, headers, printed_metrics
from reports.rules.names import USES, aggregation_title, headlines, row_names
from reports.tables.cells import ABOUT_FRAMES, FRAMES, METHOD_AND_AGGREGATION, Draft, block, frames, value_number
from reports.tables.layout import Layout
from reports.writers.table import Cell, Column, Table

Part = Literal["per_action", "per_activity"]

NO_WINDOW = "the evaluated part has no window of this action"
NO_FRAME = "none of its valid frames was evaluated"

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
        lines.sort(key=lambda line: truth_order(*line[2:]))
        may = comparable([entry for _, entry, _, _ in lines])
        uses = grouped(zip(lines, may, strict=True), lambda line: use_of_truth(*line[0][2:]).partition(" ")[0])
        for metric, info in infos.items():
            parts = ", ".join(filter(None, (text, PROTOCOLS.get(metric, ""), info.title)))
            for use, its in uses.items():
                rows = [
                    Draft(
                        [
                            Cell(label),
                            Cell(aggregation_title(aggregation, kind)),
                            *_part_cells(entry, metric, "per_action", names, NO_WINDOW, aggregation),
                            value_number(entry, metric, aggregation),
                        ],
                        entry.runs,
                        use_of_truth(aggregation, kind) if ranked else None,
                    )
                    for (label, entry, aggregation, kind), ranked in its
                ]
                named = f"{parts}; {USES[use]}" if len(uses) > 1 else parts
                blocks.append(block(rows, named, heading, range(2, len(columns))))
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
    blocks = []
    for heading, text, group in groups_of(entries) if names else ():
        labels, may = row_names(group), comparable(group)
        for metric, header in zip(infos, headers(infos.values()), strict=True):
            rows = [
                Draft(
                    [
                        Cell(label),
                        *frames(entry),
                        *_part_cells(entry, metric, part, names, NO_FRAME, headline(entry)),
                        *(value_number(entry, metric, headline(entry), over=over) for over in totals.values()),
                    ],
                    entry.runs,
                    0 if ranked else None,
                )
                for label, entry, ranked in zip(labels, group, may, strict=True)
            ]
            blocks.append(block(rows, f"{text}, {header}", heading, range(3, len(columns))))
    note = (
        "PCK and AUC in percent over 14 joints, MPJPE in mm over 17, mean over the frames of each column; "
        f"aggregation: {headlines(entries)}. Intervals: of the last columns only. {ABOUT_FRAMES}"
    )
    return Table(title, columns, tuple(blocks), paragraphs(entries, "headline"), (note,))


def _names(entries: Sequence[Entry], part: Part) -> list[str]:
    return list(
        dict.fromkeys(name for entry in entries for value in entry.values for name in getattr(value, part))
    )


def _part_cells(
    entry: Entry, metric: str, part: Part, names: Sequence[str], why_not: str, aggregation: str | None
) -> list[Cell]:
    value = entry.value(metric, aggregation)
    means: dict[str, float] = getattr(value, part) if value else {}
    higher = entry.metric(metric).higher_is_better if isinstance(entry, Record) else False
    return [
        Cell(f"{means[name]:.1f}", means[name], decimals=1, higher=higher)
        if name in means
        else Cell(reason=why_not)
        for name in names
    ]


ACTIONS = Layout("actions", actions, "errors by action")
SEQUENCES = Layout("sequences", sequences, "results by test sequence")
ACTIVITIES = Layout("activities", activities, "results by activity")
