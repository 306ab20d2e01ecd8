"""The audit: what every liberty of the field's protocols is worth, as differences with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.results.record import Record
from reports.rules.comparability import METRICS, grouped, headline
from reports.rules.conditions import paragraphs
from reports.tables.cells import DIFFERENCES, difference_cell, measured, with_runs
from reports.writers.table import Block, Cell, Column, Table

ANSWER = "answer"
"""Stands for the headline aggregation of a method: its single pose, or P-Agg."""

NO_FLIP, NO_LABEL, OVERLAP, CALL, TEST, GT, RELEASED = (
    "no flip", "no label", "overlap", "P-Best per call", "checkpoint on test", "GT", "released",
)  # fmt: skip
"""Ways in which an evaluation departs from the honest one of its method."""


@dataclass(frozen=True)
class Reading:
    """A number: the departures of its evaluation, and its aggregation."""

    departures: frozenset[str] = frozenset()
    aggregation: str = ANSWER


@dataclass(frozen=True)
class Liberty:
    """A row: the number with the liberty, and the one without.

    Attributes:
        name, instead: what the table prints.
        absent: why a method has no such number.
    """

    name: str
    instead: str
    taken: Reading
    honest: Reading = Reading()
    absent: str = ""


NO_HYPOTHESES = "a deterministic method has no hypotheses"
LIBERTIES = (
    Liberty(
        "Best joint of the hypotheses (J-Best)†", "P-Agg", Reading(aggregation="J-Best"), absent=NO_HYPOTHESES
    ),
    Liberty(
        "Best pose of the hypotheses (P-Best)†", "P-Agg", Reading(aggregation="P-Best"), absent=NO_HYPOTHESES
    ),
    Liberty(
        "P-Best for each call of several windows†", "P-Best for each window",
        Reading(frozenset({CALL}), "P-Best"), Reading(aggregation="P-Best"), NO_HYPOTHESES,
    ),
    Liberty(
        "Root trajectory given (J-Agg)‡", "root fitted (J-Fit)",
        Reading(aggregation="J-Agg"), Reading(aggregation="J-Fit"), NO_HYPOTHESES,
    ),
    Liberty(
        "Action label given§", "empty label", Reading(), Reading(frozenset({NO_LABEL})),
        "the method does not read action labels",
    ),
    Liberty("Flip averaging", "one pass", Reading(), Reading(frozenset({NO_FLIP}))),
    Liberty("Overlap of the last windows counted twice", "each frame once", Reading(frozenset({OVERLAP}))),
    Liberty("Checkpoint chosen on the test set", "on validation takes", Reading(frozenset({TEST}))),
    Liberty("Ground-truth 2D poses (GT)", "detected (DET)", Reading(frozenset({GT}))),
    Liberty(
        "FinePOSE as released", "as described", Reading(frozenset({RELEASED})),
        absent="released and described differ in FinePOSE only",
    ),
)  # fmt: skip
TOGETHER = (
    Liberty(
        "J-Best, checkpoint on the test set, overlap†", "none of them",
        Reading(frozenset({TEST, OVERLAP}), "J-Best"), absent=NO_HYPOTHESES,
    ),
    Liberty("Checkpoint on the test set, overlap", "none of them", Reading(frozenset({TEST, OVERLAP}))),
)  # fmt: skip


def departures(record: Record) -> frozenset[str]:
    """In what the evaluation of a record differs from the honest one."""
    training, evaluation = record.experiment["training"], record.experiment["evaluation"]
    found = {
        NO_FLIP: not record.conditions.flip,
        NO_LABEL: evaluation.get("actions", "given") != "given",
        OVERLAP: evaluation.get("tail", "dedup") == "overlap",
        CALL: evaluation.get("call") is not None,
        TEST: training.get("selection") == "test",
        GT: record.data.test_detections == "gt",
        RELEASED: record.experiment["method"].get("options", {}).get("behaviour") == "released",
    }
    return frozenset(name for name, true in found.items() if true)


def audit(records: Sequence[Record], title: str) -> Table:
    """A row per liberty, a column per method; each entry the paired difference that it makes."""
    methods = list(dict.fromkeys(record.title for record in records))
    columns = [Column("Liberty", align="l"), Column("instead of", align="l"), *map(Column, methods)]
    blocks = []
    for section, members in _by_data(records).items():
        runs = {title: _by_departures(members, title) for title in methods}
        for metric, name in METRICS.items():
            rows = [_honest_row(list(runs.values()), metric)]
            rows += [_liberty_row(liberty, list(runs.values()), metric) for liberty in LIBERTIES]
            rows.append(_mean_row(list(runs.values()), metric))
            rows += [_liberty_row(liberty, list(runs.values()), metric) for liberty in TOGETHER]
            ids = tuple(run for record in members for run in record.runs)
            blocks.append(Block(with_runs(rows, [ids] * len(rows)), f"{name} (mm)", section))
    honest = [record for record in records if not departures(record)]
    notes = (
        "First row: mean over actions, under the conditions below. Other rows: the difference that the liberty "
        "makes to it, below zero where it flatters.",
        DIFFERENCES,
        *_sizes_of_calls(records),
    )
    return Table(title, tuple(columns), tuple(blocks), paragraphs(honest or records), notes)


def _by_data(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records by what was evaluated on; the heading is empty where that is one thing."""
    groups = grouped(records, lambda record: (record.data.label, record.preset, record.data.subset))
    if len(groups) == 1:
        return {"": list(records)}
    return {", ".join(key): members for key, members in groups.items()}


def _by_departures(records: Sequence[Record], title: str) -> dict[frozenset[str], Record]:
    """The first record of a method with each set of departures."""
    found: dict[frozenset[str], Record] = {}
    for record in records:
        if record.title == title:
            found.setdefault(departures(record), record)
    return found


def _honest_row(runs: list[dict[frozenset[str], Record]], metric: str) -> list[Cell]:
    cells = []
    for by_departures in runs:
        record = by_departures.get(frozenset())
        answer = headline(record) if record else None
        cells.append(measured(record, metric, answer, "no run without liberties"))
    return [Cell("None of the liberties below but flip and label"), Cell(""), *cells]


def _liberty_row(liberty: Liberty, runs: list[dict[frozenset[str], Record]], metric: str) -> list[Cell]:
    cells = [_difference_cell(liberty, by_departures, metric) for by_departures in runs]
    return [Cell(liberty.name), Cell(liberty.instead), *cells]


def _difference_cell(liberty: Liberty, runs: dict[frozenset[str], Record], metric: str) -> Cell:
    taken, honest = (runs.get(reading.departures) for reading in (liberty.taken, liberty.honest))
    if taken is None or honest is None:
        return Cell(reason=liberty.absent or "not run")
    value = taken.value(metric, _aggregation(liberty.taken, taken))
    its = honest.value(metric, _aggregation(liberty.honest, honest))
    if value is None or its is None:
        return Cell(reason=liberty.absent or "not obtained in these runs")
    same = taken.training_id == honest.training_id or TEST in liberty.taken.departures ^ liberty.honest.departures
    difference = taken.difference(value, honest, its, same_trainings=same)
    return difference_cell(difference)


def _aggregation(reading: Reading, record: Record) -> str | None:
    return headline(record) if reading.aggregation == ANSWER else reading.aggregation


def _mean_row(runs: list[dict[frozenset[str], Record]], metric: str) -> list[Cell]:
    cells = []
    for by_departures in runs:
        record = by_departures.get(frozenset())
        value = record.value(metric, headline(record)) if record else None
        difference = record.action_minus_frame_mean(value) if record and value else None
        cells.append(difference_cell(difference) if value else Cell(reason="not run"))
    return [Cell("Mean over actions"), Cell("mean over frames"), *cells]


def _sizes_of_calls(records: Sequence[Record]) -> list[str]:
    sizes = dict.fromkeys(r.conditions.best_over for r in records if CALL in departures(r))
    return [f"P-Best per call: {', '.join(sizes)} of one sequence."] if sizes else []
