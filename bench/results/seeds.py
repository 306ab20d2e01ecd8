"""Runs that differ in their seeds only, as one record."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable

from bench.results.record import Record, Value
from bench.results.statistics import pooled_interval


def pool(records: Iterable[Record]) -> list[Record]:
    """Runs that differ in their seeds only as one record, in order of first appearance.

    Its values are averages over the runs, with intervals from trainings and takes resampled together; its cost and
    environment are those of the first run.
    """
    groups: dict[str, dict[str, Record]] = {}
    for record in records:
        groups.setdefault(_but_for_seeds(record), {})[record.id] = record
    return [_pooled(list(members.values())) for members in groups.values()]


def _but_for_seeds(record: Record) -> str:
    """Equal for records that differ in their seeds only."""
    description = json.loads(json.dumps(record.experiment, default=str))
    for section, key in (("training", "seed"), ("evaluation", "seed"), ("data", "root")):
        description.get(section, {}).pop(key, None)
    device = (record.environment.device, record.environment.threads)
    return json.dumps([description, record.title, record.variant, record.data.fingerprint, device], sort_keys=True)


def _pooled(members: list[Record]) -> Record:
    first = members[0]
    if len(members) == 1:
        return first
    by_key = [{_key(value): value for value in member.values} for member in members]
    values = [_average(first, [found[key] for found in by_key if key in found]) for key in map(_key, first.values)]
    conditions = first.conditions.model_copy(
        update={
            "training_seeds": _all(member.conditions.training_seeds for member in members),
            "noise_seeds": _all(member.conditions.noise_seeds for member in members),
        }
    )
    ids = tuple(member.id for member in members)
    files = {name: checksum for member in members for name, checksum in member.files.items()}
    changes = {"values": tuple(values), "conditions": conditions, "pooled": ids, "files": files}
    return first.model_copy(update=changes)


def _key(value: Value) -> tuple[str, str | None, int]:
    return value.metric, value.aggregation, value.step


def _average(record: Record, values: list[Value]) -> Value:
    """The average of one value over several runs.

    Its interval comes from trainings and takes resampled together; where takes were not kept, its ends are
    averages too.
    """
    first, count = values[0], len(values)
    numbers = ("action_mean", "frame_mean", "low", "high")
    averages = {name: sum(getattr(value, name) for value in values) / count for name in numbers}
    mean = first.model_copy(
        update={
            **averages,
            "per_action": {k: sum(v.per_action[k] for v in values) / count for k in first.per_action},
            "per_activity": {k: sum(v.per_activity[k] for v in values) / count for k in first.per_activity},
            "per_take": tuple(row for value in values for row in value.per_take),
            "per_joint": tuple(sum(column) / count for column in zip(*(v.per_joint for v in values), strict=True)),
        }
    )
    sample = record.sample(mean)
    if sample is None:
        return mean
    low, high = pooled_interval(sample)
    return mean.model_copy(update={"low": low, "high": high})


def _all(seeds: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(itertools.chain.from_iterable(seeds)))
