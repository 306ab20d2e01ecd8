"""The register of runs: where every number comes from and under which conditions it was obtained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.results.grouping import grouped
from bench.results.record import Environment, Record
from reports.rules.comparability import device, listed_subjects
from reports.rules.conditions import test_part
from reports.rules.names import method_name, seeds_of
from reports.rules.warnings import disturbances
from reports.writers.table import Block, Cell, Column, Row, Table

COLUMNS: dict[str, Callable[[Record], str]] = {
    "Run": lambda record: record.id,
    "Training": lambda record: record.training_id,
    "MLflow run": lambda record: record.mlflow_run_id or "not logged",
    "Commit": lambda record: record.git_commit,
    "Method": method_name,
    "Size": lambda record: record.preset,
    "Detections": lambda record: f"{record.data.train_detections} → {record.data.test_detections}",
    "H": lambda record: str(record.conditions.hypotheses),
    "K": lambda record: str(record.conditions.steps),
    "Seeds": seeds_of,
    "Label": lambda record: "given" if record.conditions.action_label_given else "no",
    "Flip": lambda record: "yes" if record.conditions.flip else "no",
}
IN_COLUMNS = ("Flip augmentation at test time", "Action label given at test time")
"""Choices of the protocol that have a column of their own."""


def register(records: Sequence[Record]) -> Table:
    """One row per run with its identities; conditions that runs share are written once below, as C1, C2, …"""
    shared = grouped(records, _shared)
    letters = {key: f"C{number}" for number, key in enumerate(shared, start=1)}
    columns = (*(Column(header, align="l") for header in COLUMNS), Column("Conditions", align="l"))
    rows = [
        Row((*(Cell(text(record)) for text in COLUMNS.values()), Cell(letters[_shared(record)])), (record.id,))
        for record in records
    ]
    notes = (
        "Seeds: of training / of sampling noise. Label: action label given at test time. "
        "Flip: flip augmentation at test time. Detections: training → test.",
    )
    conditions = tuple((f"{letters[key]}.", *key) for key in shared)
    return Table("Every run and its conditions", columns, (Block(tuple(rows)),), conditions, notes)


def environments(records: Sequence[Record]) -> list[tuple[str, list[str]]]:
    """(device, lines) of every environment that numbers were made in; what disturbed runs is counted."""
    groups = grouped(records, lambda r: (device(r), r.environment.model_dump_json(exclude={"warnings"})))
    return [(name, _environment(members[0].environment, members)) for (name, _), members in groups.items()]


def _shared(record: Record) -> tuple[str, ...]:
    data, conditions = record.data, record.conditions
    subjects = [listed_subjects(names) for names in (data.train_subjects, data.test_subjects)]
    notes = [f"{key.capitalize()}: {text}." for key, text in conditions.notes.items()]
    choices = [f"{name}: {words}." for name, words in conditions.stated.items() if name not in IN_COLUMNS]
    return (
        f"Data: {data.label} ({data.name}, content {data.fingerprint}).",
        f"Training subjects: {subjects[0]}. Test subjects: {subjects[1]}.",
        f"Test part: {test_part(record)}.",
        *choices,
        f"Validation: {conditions.validation}.",
        f"Device: {device(record)}.",
        *notes,
        *(f"Warning: {text.rstrip('.')}." for text in record.environment.warnings),
    )


def _environment(environment: Environment, records: Sequence[Record]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(environment.versions.items()))
    commits = ", ".join(dict.fromkeys(record.git_commit for record in records))
    finished = sorted(record.finished_at for record in records)
    return [
        f"CPU: {environment.cpu}, {environment.threads} threads",
        f"Platform: {environment.platform}; Python {environment.python}; driver: {environment.driver or 'none'}",
        f"Packages: {versions}",
        f"Runs: {len(records)}, finished from {finished[0]} to {finished[-1]}; commits: {commits}",
        *(f"Warning, {len(runs)} of {len(records)} runs: {text}" for text, runs in disturbances(records).items()),
    ]
