"""How records are called in tables and captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.results.record import Record
from reports.rules.comparability import setting, source


def untrained(record: Record) -> bool:
    """Whether the weights are as they were drawn, so that only the cost means something."""
    published = record.conditions.selection.startswith("published")
    return record.training.steps == 0 and record.cost.parameters > 0 and not published


def method_name(record: Record) -> str:
    """Title and variant."""
    return f"{record.title} {record.variant}".strip()


def row_names(records: Sequence[Record]) -> list[str]:
    """Names of rows: title, variant, § where the action label was given, and what else tells rows apart.

    Rows that differ in none of that are told apart by the beginning of their run's id.
    """
    presets = {record.preset for record in records}
    seeds = {seeds_of(record) for record in records}
    names = [
        method_name(record)
        + "§" * record.conditions.action_label_given
        + f" ({record.preset})" * (len(presets) > 1)
        + f", seeds {seeds_of(record)}" * (len(seeds) > 1)
        for record in records
    ]
    shapes = [
        (name, *sampling_size(record), setting(record), source(record))
        for name, record in zip(names, records, strict=True)
    ]
    count = Counter(shapes)
    return [
        name if count[shape] == 1 else f"{name} #{record.id[:6]}"
        for name, shape, record in zip(names, shapes, records, strict=True)
    ]


def seeds_of(record: Record) -> str:
    """Seeds of training and noise, "0/0"; of a pooled record all of them, "0,1,2/0"."""
    conditions = record.conditions
    return "/".join(",".join(map(str, seeds)) for seeds in (conditions.training_seeds, conditions.noise_seeds))


def sampling_size(record: Record) -> tuple[int, int]:
    """(H, K)."""
    return record.conditions.hypotheses, record.conditions.steps
