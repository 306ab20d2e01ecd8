"""Variants of one method, and prompts, with their difference to a row of reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.results.record import Record
from reports.rules.comparability import (
    DETECTIONS,
    METRICS,
    Line,
    Source,
    aggregation_title,
    arranged,
    grouped,
    headline,
    same_but,
    sections,
    source,
    sources,
)
from reports.rules.conditions import paragraphs
from reports.rules.names import sampling_size, seeds_of
from reports.tables.cells import measured, rank_columns, with_runs
from reports.tables.main import MEAN_OVER_ACTIONS
from reports.writers.table import Block, Cell, Column, Table

COMPLETE = "complete"


@dataclass(frozen=True)
class _Compared:
    """What the rows of a comparison are called, and which of them the others are compared with."""

    header: str
    name: Callable[[Record], str]
    reference: str
    family: Callable[[Record], tuple[str, ...]]


def prompts(records: Sequence[Record], title: str) -> Table:
    """Prompt variants with their difference to the same method without a prompt."""
    return _comparison(records, title, _Compared("Prompt", _prompt, "none", _prompt_family))


def variants(records: Sequence[Record], title: str) -> Table:
    """Variants of a method (switched-off parts, changed inputs) with their difference to the method as it is."""
    return _comparison(records, title, _Compared("Variant", _variant, COMPLETE, _variant_family))


def _comparison(records: Sequence[Record], title: str, compared: _Compared) -> Table:
    titles = sources(records)
    headers = [header for name in METRICS.values() for header in (name, f"Δ {name}")]
    columns = [
        *(Column(header, align="l") for header in (compared.header, "Action label")),
        *(Column(header, spanner) for spanner in titles.values() for header in headers),
    ]
    blocks = []
    for heading, members in sections(records):
        for family in grouped(members, compared.family).values():
            lines = arranged(family, lambda record: same_but(record, *DETECTIONS), source)
            reference = next((line for line in lines if compared.name(line.first) == compared.reference), None)
            rows = [_compared_row(line, reference, titles, compared) for line in lines]
            rows = rank_columns(rows, [0] * len(rows), range(2, len(columns), 2))
            text = ", ".join(compared.family(family[0]))
            blocks.append(Block(with_runs(rows, [line.runs for line in lines]), text, heading))
    notes = (MEAN_OVER_ACTIONS, f"Δ: difference to the row {compared.reference!r}; below zero is better.")
    return Table(title, tuple(columns), tuple(blocks), paragraphs(records, "headline"), notes)


def _family(record: Record, others: list[str]) -> tuple[str, ...]:
    """What records share that are compared with each other, in words."""
    width, steps = sampling_size(record)
    seeds = f"seeds {seeds_of(record)}"
    answer = aggregation_title(headline(record), "")
    return (record.title, *others, record.preset, answer, f"H = {width}, K = {steps}", seeds)


def _prompt_family(record: Record) -> tuple[str, ...]:
    others = [part for part in record.variant.split(", ") if part and not part.startswith("prompt=")]
    return _family(record, others)


def _prompt(record: Record) -> str:
    return record.conditions.notes.get("prompt", "not said by the method")


def _variant_family(record: Record) -> tuple[str, ...]:
    return _family(record, [])


def _variant(record: Record) -> str:
    return record.variant or COMPLETE


def _compared_row(
    line: Line, reference: Line | None, titles: dict[Source, str], compared: _Compared
) -> list[Cell]:
    label = "given" if line.first.conditions.action_label_given else "not given"
    row = [Cell(compared.name(line.first)), Cell(label)]
    for key, heading in titles.items():
        record, other = line.slots.get(key), reference.slots.get(key) if reference else None
        for metric in METRICS:
            cell = measured(record, metric, headline(line.first), f"no run with {heading}")
            row += [cell, _difference(cell, record, other, metric, compared.reference)]
    return row


def _difference(cell: Cell, record: Record | None, other: Record | None, metric: str, reference: str) -> Cell:
    if cell.number is None or record is None:
        return Cell(reason=cell.reason)
    if record is other:
        return Cell("reference")
    base = None if other is None else other.value(metric, headline(other))
    if base is None:
        return Cell(reason=f"no run of {reference!r} under the same conditions")
    difference = cell.number - base.action_mean
    return Cell(f"{difference:+.1f}".replace("-", "−"), difference)
