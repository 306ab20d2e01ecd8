"""Trainings compared by their error on the takes that chose the checkpoint: what tuning may look at."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results.record import Record
from reports.rules.comparability import grouped
from reports.rules.conditions import paragraphs
from reports.tables.cells import rank_columns, significant, with_runs
from reports.writers.table import Block, Cell, Column, Table


def validation(records: Sequence[Record], title: str) -> Table:
    """A row per training: its options, and its lowest validation error. No number of the test set is shown."""
    columns = (
        Column("Method", align="l"), Column("Variant", align="l"), Column("Learning rate"), Column("Seed"),
        Column("Kept epoch"), Column("Validation MPJPE"),
    )  # fmt: skip
    trainings = list({record.training_id: record for record in records}.values())
    blocks = []
    for method, members in grouped(trainings, lambda record: (record.title, record.data.train_detections)).items():
        rows = rank_columns([_row(record) for record in members], [0] * len(members), [len(columns) - 1])
        blocks.append(Block(with_runs(rows, [record.runs for record in members]), ", ".join(method)))
    notes = ("Validation MPJPE in mm: lowest of the training, one hypothesis after one step, mean over frames.",)
    return Table(title, columns, tuple(blocks), paragraphs(trainings, "headline"), notes)


def _row(record: Record) -> list[Cell]:
    training = record.experiment["training"]
    cells = [
        Cell(record.title),
        Cell(record.variant),
        Cell(f"{training['learning_rate']:g}"),
        Cell(str(training["seed"])),
    ]
    errors = [error for _, error in record.training.validation_mpjpe]
    if training["selection"] != "validation" or not errors:
        return [*cells, Cell(reason="not validated"), Cell(reason="not validated")]
    return [*cells, significant(record.training.selected_epoch), Cell(f"{min(errors):.1f}", min(errors))]
