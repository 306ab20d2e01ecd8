"""Runs that differ in their seeds only, as one record."""

from __future__ import annotations

import itertools
import json
import operator
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from bench.results.cost import Measurement
from bench.results.record import Record, Value
from bench.results.statistics.intervals import pooled_interval

Seeds = tuple[tuple[int, ...], tuple[int, ...]]
"""Seeds of the training and of the noise."""


def pool(records: Iterable[Record]) -> list[Record]:
    """Runs that differ in their seeds only as one record, in order of first appearance.

    Its values are averages over the runs, with the intervals of ``statistics.intervals``, whatever device the cost
    of each was measured on; its cost and environment are those of the run with the lowest seed, and ``pooled_on``
    has one cost for each device. Runs that differ in the seed of their noise only are of one training. Of several
    with the same seeds the last one counts: those before it are of earlier versions of the suite.
    """
    groups: dict[str, dict[Seeds, Record]] = {}
    for record in records:
        members = groups.setdefault(_but_for_seeds(record), {})
        known = members.get(_seeds(record), record)
        members[_seeds(record)] = max(known, record, key=lambda member: member.finished_at)
    return [_pooled(sorted(members.values(), key=_seeds)) for members in groups.values()]


def _seeds(record: Record) -> Seeds:
    return record.conditions.training_seeds, record.conditions.noise_seeds


def _but_for_seeds(record: Record) -> str:
    """Equal for records that differ in their seeds only."""
    description = json.loads(json.dumps(record.experiment, default=str))
    for section, key in (("training", "seed"), ("evaluation", "seed"), ("data", "root")):
        description.get(section, {}).pop(key, None)
    (description.get("evaluation", {}).get("data") or {}).pop("root", None)
    changed = {name: version for name, version in record.metric_versions.items() if version > 1}
    fields = [description, record.title, record.variant, record.data.fingerprint, changed]
    return json.dumps(fields, sort_keys=True)


def _pooled(members: list[Record]) -> Record:
    first = members[0]
    if len(members) == 1:
        return _with_intervals(first)
    by_key = [{_key(value): value for value in member.values} for member in members]
    trainings = [member.training_id for member in members]
    values = []
    for key in map(_key, first.values):
        its = [(found[key], training) for found, training in zip(by_key, trainings, strict=True) if key in found]
        values.append(_average(*zip(*its, strict=True)))
    conditions = first.conditions.model_copy(
        update={
            "training_seeds": _all(member.conditions.training_seeds for member in members),
            "noise_seeds": _all(member.conditions.noise_seeds for member in members),
        }
    )
    ids = tuple(member.id for member in members)
    files = {name: checksum for member in members for name, checksum in member.files.items()}
    by_device: dict[tuple[str, str, int], Measurement] = {}
    for member in members:
        measured = Measurement(cost=member.cost, environment=member.environment)
        by_device.setdefault(member.environment.place, measured)
    changes = {
        "values": tuple(values),
        "conditions": conditions,
        "pooled": ids,
        "pooled_on": tuple(by_device.values()),
        "files": files,
    }
    return _with_intervals(first.model_copy(update=changes))


def _with_intervals(record: Record) -> Record:
    """The record with new intervals of all values whose takes were kept; they are computed together."""
    kept: dict[int, list[int]] = {}
    for index, value in enumerate(record.values):
        if value.per_take:
            kept.setdefault(len(value.per_take), []).append(index)
    values = list(record.values)
    for members in kept.values():
        sample = record.sample(values[members[0]])
        assert sample is not None
        low, high = pooled_interval(
            replace(sample, errors=np.array([values[index].per_take for index in members]))
        )
        for index, its_low, its_high in zip(members, low.tolist(), high.tolist(), strict=True):
            values[index] = values[index].model_copy(update={"low": its_low, "high": its_high})
    return record.model_copy(update={"values": tuple(values)})


def _key(value: Value) -> tuple[str, str | None, int]:
    return value.metric, value.aggregation, value.step


def _average(values: Sequence[Value], trainings: Sequence[str]) -> Value:
    """The average of one value over several runs; without takes, of its ends too.

    Each training counts once, however many seeds of the noise it has, as in the intervals.
    """
    first, runs_of = values[0], Counter(trainings)
    shares = [1 / runs_of[training] for training in trainings]

    def mean(numbers: Iterable[float]) -> float:
        return sum(map(operator.mul, shares, numbers)) / len(runs_of)

    numbers = ("action_mean", "frame_mean", "low", "high")
    return first.model_copy(
        update={
            **{name: mean(getattr(value, name) for value in values) for name in numbers},
            "per_action": {key: mean(value.per_action[key] for value in values) for key in first.per_action},
            "per_activity": {key: mean(value.per_activity[key] for value in values) for key in first.per_activity},
            "per_take": _by_training(values, trainings),
            "per_joint": tuple(map(mean, zip(*(value.per_joint for value in values), strict=True))),
        }
    )


def _by_training(values: Sequence[Value], trainings: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """Errors by take, one row for each training; none where a run did not keep them."""
    if not all(value.per_take for value in values):
        return ()
    rows: dict[str, list[tuple[float, ...]]] = {}
    for value, training in zip(values, trainings, strict=True):
        rows.setdefault(training, []).extend(value.per_take)
    return tuple(its[0] if len(its) == 1 else tuple(np.mean(its, axis=0).tolist()) for its in rows.values())


def _all(seeds: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(itertools.chain.from_iterable(seeds)))
