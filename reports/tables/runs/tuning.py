"""Trainings compared by their error on the takes that chose the checkpoint: what tuning may look at."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.results.grouping import grouped
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry, MissingRun
from reports.tables.cells import Draft, block, significant
from reports.tables.layout import Layout
from reports.writers.table import Cell, Column, Table


def tuning(entries: Sequence[Entry], title: str) -> Table:
    """A row per training, also of the same recipe with another seed, the best of each method first.

    Of each its recipe and its lowest validation error.

    No number of the test set is shown.
    """
    columns = (
        Column("Method", align="l"), Column("Variant", align="l"), Column("Windows a step"),
        Column("Learning rate"), Column("Weight decay"), Column("TFLOP"), Column("Seed"), Column("Kept epoch"),
        Column("Validation MPJPE"),
    )  # fmt: skip
    trainings = list({entry.training_id: entry for entry in entries}.values())
    blocks = []
    for method, members in grouped(trainings, lambda entry: (entry.title, entry.data.train_detections)).items():
        rows = [Draft(_row(entry), entry.runs) for entry in sorted(members, key=_error)]
        blocks.append(block(rows, ", ".join(method)))
    notes = (
        "Validation MPJPE in mm: lowest of the training, one hypothesis after one step, mean over frames. TFLOP: "
        "of all its steps, forward and backward. A row is one training, without an interval: compare the rows of "
        "one recipe, which differ by their seeds.",
    )
    return Table(title, columns, tuple(blocks), paragraphs(trainings, "headline"), notes)


def _error(entry: Entry) -> float:
    """Lowest validation error of a training; those without come last."""
    if isinstance(entry, MissingRun) or entry.experiment["training"]["selection"] != "validation":
        return math.inf
    return min((error for _, error in entry.training.validation_mpjpe), default=math.inf)


def _row(entry: Entry) -> list[Cell]:
    training = entry.experiment["training"]
    cells = [Cell(entry.title), Cell(entry.variant)]
    cells += [_asked(training.get(name)) for name in ("batch_windows", "learning_rate", "weight_decay", "compute")]
    cells.append(Cell(str(training["seed"])))
    if isinstance(entry, MissingRun):
        return [*cells, Cell(reason=entry.reason), Cell(reason=entry.reason)]
    if math.isinf(error := _error(entry)):
        return [*cells, Cell(reason="not validated"), Cell(reason="not validated")]
    return [*cells, significant(entry.training.selected_epoch), Cell(f"{error:.1f}", error)]


def _asked(value: float | None) -> Cell:
    return Cell(reason="not stated by the recipe") if value is None else Cell(f"{value:g}")


LAYOUT = Layout("tuning", tuning, pooled=False, in_overall=False)
