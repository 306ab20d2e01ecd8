"""Trainings compared by their error on the takes that chose the checkpoint: what tuning may look at."""

from __future__ import annotations

from collections.abc import Sequence

from reports.rules.comparability import grouped
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry, MissingRun
from reports.tables.cells import significant, with_runs
from reports.tables.layout import Layout
from reports.writers.table import Block, Cell, Column, Table


def tuning(entries: Sequence[Entry], title: str) -> Table:
    """A row per training: its options, and its lowest validation error. No number of the test set is shown."""
    columns = (
        Column("Method", align="l"), Column("Variant", align="l"), Column("Learning rate"), Column("Seed"),
        Column("Kept epoch"), Column("Validation MPJPE"),
    )  # fmt: skip
    trainings = list({entry.training_id: entry for entry in entries}.values())
    blocks = []
    for method, members in grouped(trainings, lambda entry: (entry.title, entry.data.train_detections)).items():
        rows = [_row(entry) for entry in members]
        blocks.append(Block(with_runs(rows, [entry.runs for entry in members]), ", ".join(method)))
    notes = ("Validation MPJPE in mm: lowest of the training, one hypothesis after one step, mean over frames.",)
    return Table(title, columns, tuple(blocks), paragraphs(trainings, "headline"), notes)


def _row(entry: Entry) -> list[Cell]:
    training = entry.experiment["training"]
    rate = training.get("learning_rate")
    cells = [
        Cell(entry.title),
        Cell(entry.variant),
        Cell("not stated" if rate is None else f"{rate:g}"),
        Cell(str(training["seed"])),
    ]
    if isinstance(entry, MissingRun):
        return [*cells, Cell(reason=entry.reason), Cell(reason=entry.reason)]
    errors = [error for _, error in entry.training.validation_mpjpe]
    if training["selection"] != "validation" or not errors:
        return [*cells, Cell(reason="not validated"), Cell(reason="not validated")]
    return [*cells, significant(entry.training.selected_epoch), Cell(f"{min(errors):.1f}", min(errors))]


LAYOUT = Layout("tuning", tuning)
