"""The conditions of numbers in words: what is printed under every table and in every caption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from bench.results.record import GroundTruth, Record
from reports.rules.comparability import aggregation_title, aggregations, device, grouped, headline, sections
from reports.rules.names import method_name, seeds_of, untrained

Shown = Literal["every aggregation", "headline"]

FEW = 3
"""Warnings that are listed; where there are more, they are counted."""

MANY = 8
"""A condition with more values than this is counted, not listed; the appendix lists it run by run."""


def paragraphs(records: Sequence[Record], shown: Shown = "every aggregation") -> tuple[str, ...]:
    """One paragraph per section of a table, opened by the section's heading where there are several."""
    return tuple(
        (f"Conditions of [{heading}]. " if heading else "Conditions. ") + " ".join(sentences(members, shown))
        for heading, members in sections(records)
    )


def sentences(records: Sequence[Record], shown: Shown = "every aggregation") -> list[str]:
    """All conditions that the records were obtained under, the methods named where they differ."""
    notes = dict.fromkeys(key for record in records for key in record.conditions.notes)
    accessor = {"every aggregation": _aggregations, "headline": _headline}[shown]
    fields = _FIELDS | {"Aggregation": accessor} | {key.capitalize(): partial(_note, key) for key in notes}
    found = [f"{name}: {stated}." for name, accessor in fields.items() if (stated := _stated(records, accessor))]
    warnings = dict.fromkeys(text for record in records for text in record.environment.warnings)
    if len(warnings) > FEW:
        return [*found, f"{len(warnings)} different warnings, listed run by run in the report's appendix."]
    return found + [f"Warning: {text.rstrip('.')}." for text in warnings]


def _stated(records: Sequence[Record], accessor: Callable[[Record], str]) -> str:
    """``value`` where all agree, else ``value (methods); value (methods)``."""
    groups = {value: members for value, members in grouped(records, accessor).items() if value}
    if len(groups) > MANY:
        return f"{len(groups)} different values, listed run by run in the report's appendix"
    names = {value: tuple(dict.fromkeys(map(method_name, members))) for value, members in groups.items()}
    everyone = len({method_name(record) for record in records})
    if len(set(names.values())) == 1 and all(len(methods) == everyone for methods in names.values()):
        return "; ".join(groups)
    return "; ".join(f"{value} ({', '.join(names[value])})" for value in groups)


def _data(record: Record) -> str:
    return f"{record.data.label} ({record.data.name})"


def _detections(record: Record) -> str:
    data = record.data
    return f"{data.train_detections} → {data.test_detections} [content {data.fingerprint}]"


def _test_part(record: Record) -> str:
    data = record.data
    return (
        f"{data.subset}, {data.windows:,} windows, {data.frames:,} frames, "
        f"{data.sequences:,} sequences, {len(data.takes):,} takes"
    )


def _hypotheses(record: Record) -> str:
    if all(kind == "deterministic" for _, kind in aggregations(record)):
        return "H = K = 1, deterministic"
    return f"H = {record.conditions.hypotheses}, K = {record.conditions.steps}"


def _aggregations(record: Record) -> str:
    looks_at = {value.aggregation: value.looks_at for value in record.values}
    return ", ".join(
        f"{aggregation_title(aggregation, kind)} [{' '.join([kind, *_given(looks_at[aggregation])])}]"
        for aggregation, kind in aggregations(record)
    )


def _headline(record: Record) -> str:
    chosen = headline(record)
    kind = dict(aggregations(record)).get(chosen)
    return f"{aggregation_title(chosen, '')} [{kind}]" if kind else ""


def _given(looks_at: GroundTruth) -> list[str]:
    """What the aggregation itself was given; the action label and exact 2D poses have lines of their own."""
    chosen_by = looks_at.model_copy(update={"action_label": False, "pose_2d": False})
    return [f"by ground-truth {' and '.join(chosen_by.names)}"] if chosen_by.names else []


def _best_over(record: Record) -> str:
    return record.conditions.best_over if any(name == "P-Best" for name, _ in aggregations(record)) else ""


def _note(key: str, record: Record) -> str:
    return record.conditions.notes.get(key, "")


def _yes(condition: bool) -> str:
    return "yes" if condition else "no"


_FIELDS: dict[str, Callable[[Record], str]] = {
    "Data": _data,
    "About the data": lambda record: "; ".join(record.data.notes),
    "Training subjects": lambda record: ", ".join(record.data.train_subjects),
    "Test subjects": lambda record: ", ".join(record.data.test_subjects),
    "Detections (training → test)": _detections,
    "Test part": _test_part,
    "Flip augmentation at test time": lambda record: _yes(record.conditions.flip),
    "Hypotheses and steps": _hypotheses,
    "Aggregation": _aggregations,
    "Action label given at test time": lambda record: _yes(record.conditions.action_label_given),
    "Frames of the last windows": lambda record: record.conditions.tail,
    "P-Best chosen for each": _best_over,
    "Checkpoint selection": lambda record: record.conditions.selection,
    "Weights": lambda record: "as drawn, untrained" if untrained(record) else "",
    "Validation": lambda record: record.conditions.validation,
    "Size": lambda record: record.preset,
    "Seeds (training/noise)": seeds_of,
    "Device": device,
}
