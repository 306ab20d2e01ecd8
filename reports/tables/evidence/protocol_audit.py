"""The protocol audit: how much each choice of the field's protocols changes a number, with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.config.choices import CHOICES, Choice
from bench.results.grouping import grouped
from bench.results.record import Record
from bench.results.statistics.intervals import action_minus_frame_mean
from reports.rules.comparability import headline
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry
from reports.rules.metrics import ERRORS, printed_metrics
from reports.tables.cells import DIFFERENCES, Draft, Entered, block, difference_cell, value_number
from reports.tables.layout import Layout
from reports.writers.table import Cell, Column, Table

SINGLE_POSE = "single pose"
"""Stands for the headline aggregation of a method: its one pose, or P-Agg."""

GT, RELEASED = "data.detections", "method.options.behaviour"
"""Departures that are no choice of the protocol; those have their key as name."""

LABELS, NO_LABEL = "evaluation.actions", "training.labels"
TAIL, CALL, SELECTION = "evaluation.tail", "evaluation.call", "training.selection"

Runs = Mapping[frozenset[str], Entry]
"""A method's runs by what departs from the usual protocol."""


@dataclass(frozen=True)
class Reading:
    """A number: the departures of its evaluation from the usual protocol, and its aggregation."""

    departures: frozenset[str] = frozenset()
    aggregation: str = SINGLE_POSE


@dataclass(frozen=True)
class AuditedChoice:
    """A row: the number with the choice, and the one that it is compared with.

    Attributes:
        name, instead: what the table prints.
        why_not: why a method has no such number.
    """

    name: str
    instead: str
    chosen: Reading
    usual: Reading = Reading()
    why_not: str = ""


RELEASED_CHECKPOINT = (
    "FinePOSE's released checkpoint was chosen on the test set: its training code keeps the first epoch from 70 "
    "on whose test MPJPE with one hypothesis and one step lies between 41.10 and 41.25 mm (exact 2D poses: 21.20 "
    "and 21.35)."
)
NO_HYPOTHESES = "a deterministic method has no hypotheses"


def _audited(choice: Choice) -> list[AuditedChoice]:
    """The row of a choice of the protocol, if it has one."""
    row = choice.audit
    if row is None:
        return []
    aggregation = choice.aggregation or SINGLE_POSE
    departing, usual = Reading(frozenset({choice.key}), aggregation), Reading(aggregation=aggregation)
    if row.usual_flatters:
        departing, usual = usual, departing
    return [AuditedChoice(row.name, row.instead, departing, usual, row.missing)]


AUDITED = (
    AuditedChoice(
        "Best joint of the hypotheses (J-Best)†", "P-Agg", Reading(aggregation="J-Best"), why_not=NO_HYPOTHESES
    ),
    AuditedChoice(
        "Best pose of the hypotheses (P-Best)†", "P-Agg", Reading(aggregation="P-Best"), why_not=NO_HYPOTHESES
    ),
    AuditedChoice(
        "Root trajectory given (J-Agg)‡", "root fitted (J-Fit)",
        Reading(aggregation="J-Agg"), Reading(aggregation="J-Fit"), NO_HYPOTHESES,
    ),
    AuditedChoice(
        "Action label given§", "trained and tested without it", Reading(), Reading(frozenset({LABELS, NO_LABEL})),
        "the method does not read action labels",
    ),
    *(audited for choice in CHOICES for audited in _audited(choice)),
    AuditedChoice("Ground-truth 2D poses (GT)", "detected (DET)", Reading(frozenset({GT}))),
    AuditedChoice(
        "Method as released", "as described", Reading(frozenset({RELEASED})),
        why_not="not run, or the method does not tell the two apart",
    ),
)  # fmt: skip
TOGETHER = (
    AuditedChoice(
        "J-Best, checkpoint on the test set, overlap†", "none of them",
        Reading(frozenset({SELECTION, TAIL}), "J-Best"), why_not=NO_HYPOTHESES,
    ),
    AuditedChoice("Checkpoint on the test set, overlap", "none of them", Reading(frozenset({SELECTION, TAIL}))),
)  # fmt: skip


def departures(entry: Entry) -> frozenset[str]:
    """In what the evaluation of a run differs from the usual one."""
    found = {choice.key for choice in CHOICES if choice.departs(entry.experiment)}
    if entry.data.test_detections == "gt":
        found.add(GT)
    method, evaluation = (entry.experiment[part].get("options") or {} for part in ("method", "evaluation"))
    if (method | evaluation).get("behaviour") == "released":  # an evaluation's options replace the method's
        found.add(RELEASED)
    return frozenset(found)


def protocol_audit(entries: Sequence[Entry], title: str) -> Table:
    """A row per choice, a column per method; each entry the paired difference that the choice makes."""
    methods = list(dict.fromkeys(entry.title for entry in entries))
    columns = [Column("Protocol choice", align="l"), Column("instead of", align="l"), *map(Column, methods)]
    blocks = []
    for section, members in _by_data(entries).items():
        runs = [_by_departures(members, method) for method in methods]
        for metric, info in printed_metrics(entries, ERRORS).items():
            rows = [_usual_row(runs, metric)]
            rows += [_row(audited, runs, metric) for audited in AUDITED]
            rows.append(_mean_row(runs, metric))
            rows += [_row(audited, runs, metric) for audited in TOGETHER]
            ids = tuple(run for entry in members for run in entry.runs)
            blocks.append(block([Draft(row, ids) for row in rows], f"{info.title} ({info.unit})", section))
    usual = [entry for entry in entries if not departures(entry)]
    notes = (
        "First row: mean over actions, under the conditions below. Other rows: the difference that the choice "
        "makes to it, below zero where it flatters.",
        DIFFERENCES,
        *_sizes_of_calls(entries),
        *[RELEASED_CHECKPOINT] * any(entry.method == "finepose" for entry in entries),
    )
    return Table(title, tuple(columns), tuple(blocks), paragraphs(usual or entries), notes)


def _by_data(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Runs by what was evaluated on; the heading is empty where that is one thing."""
    groups = grouped(entries, lambda entry: (entry.data.label, entry.preset, entry.data.subset))
    return {", ".join(key) * (len(groups) > 1): members for key, members in groups.items()}


def _by_departures(entries: Sequence[Entry], title: str) -> Runs:
    """The first run of a method with each set of departures."""
    return {departures(entry): entry for entry in reversed(entries) if entry.title == title}


def _usual_row(runs: Sequence[Runs], metric: str) -> list[Entered]:
    cells = []
    for by_departures in runs:
        entry = by_departures.get(frozenset())
        aggregation = headline(entry) if entry else None
        cells.append(value_number(entry, metric, aggregation, "no run under the usual protocol"))
    return [Cell("None of the choices below but flip and label"), Cell(""), *cells]


def _row(audited: AuditedChoice, runs: Sequence[Runs], metric: str) -> list[Entered]:
    cells = [_difference_cell(audited, by_departures, metric) for by_departures in runs]
    return [Cell(audited.name), Cell(audited.instead), *cells]


def _difference_cell(audited: AuditedChoice, runs: Runs, metric: str) -> Entered:
    chosen, usual = (runs.get(reading.departures) for reading in (audited.chosen, audited.usual))
    if chosen is None or usual is None:
        return Cell(reason=audited.why_not or "not run")
    value = chosen.value(metric, _aggregation(audited.chosen, chosen))
    other = usual.value(metric, _aggregation(audited.usual, usual))
    if value is None or other is None or not isinstance(chosen, Record) or not isinstance(usual, Record):
        return Cell(reason=audited.why_not or "not obtained in these runs")
    other_checkpoint = SELECTION in audited.chosen.departures ^ audited.usual.departures
    same_seeds = chosen.conditions.training_seeds == usual.conditions.training_seeds
    same = (other_checkpoint and same_seeds) or None
    return difference_cell(chosen.difference(value, usual, other, same_trainings=same))


def _aggregation(reading: Reading, entry: Entry) -> str | None:
    return headline(entry) if reading.aggregation == SINGLE_POSE else reading.aggregation


def _mean_row(runs: Sequence[Runs], metric: str) -> list[Entered]:
    cells = []
    for by_departures in runs:
        entry = by_departures.get(frozenset())
        value = entry.value(metric, headline(entry)) if entry else None
        sample = entry.sample(value) if isinstance(entry, Record) and value else None
        difference = None if sample is None else action_minus_frame_mean(sample)
        cells.append(difference_cell(difference) if value else Cell(reason="not run"))
    return [Cell("Mean over actions"), Cell("mean over frames"), *cells]


def _sizes_of_calls(entries: Sequence[Entry]) -> list[str]:
    sizes = dict.fromkeys(entry.conditions.best_over for entry in entries if CALL in departures(entry))
    return [f"P-Best per call: {', '.join(sizes)} of one sequence."] if sizes else []


LAYOUT = Layout("audit", protocol_audit, in_overall=False)
