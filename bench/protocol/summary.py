"""From the errors of an evaluation to the numbers of a record: means, intervals, parts by action and joint."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bench.protocol.aggregation import all_aggregations
from bench.protocol.frame_errors import FrameErrors, takes
from bench.protocol.metrics import all_metrics
from bench.results.metrics import MetricInfo
from bench.results.record import GroundTruth, Value, ValueKind
from bench.results.statistics.bootstrap import interval
from bench.results.statistics.variance import action_mean


def metric_infos(values: Iterable[Value]) -> dict[str, MetricInfo]:
    """What a record keeps of the metrics of its values."""
    there = {value.metric for value in values}
    return {metric.name: metric.info for metric in all_metrics() if metric.name in there}


def summarise(errors: FrameErrors, given: GroundTruth | None = None) -> tuple[Value, ...]:
    """Every metric under every aggregation at every step, with its 95 % interval and what it looks at.

    ``given``: ground truth that the method itself was given, whatever the aggregation. The bootstrap resamples the
    same takes for every method.
    """
    tested, member = takes(errors)
    actions = np.array([take.action for take in tested])
    counted = np.array([take.frames for take in tested], np.float64)
    names = np.unique(actions)
    members = (actions == names[:, None]).astype(np.float64)
    rows = [(name, row - len(sums)) for name, sums in errors.sums.items() for row in range(len(sums))]
    sums = np.concatenate(list(errors.sums.values())) @ member.T
    low, high = interval(sums, counted, actions)
    mean = action_mean(sums, counted, actions)
    per_action = sums @ members.T / (members @ counted)
    seen = {name: _seen(name, given or GroundTruth()) for name in {name for _, name in errors.sums}}
    values = []
    for number, ((metric, aggregation), from_last) in enumerate(rows):
        kind, looks_at = seen[aggregation]
        last = from_last == -1
        joints = errors.joints.get((metric, aggregation)) if last else None
        frames = errors.frames.get((metric, aggregation)) if last else None
        values.append(
            Value(
                metric=metric,
                aggregation=aggregation,
                kind=kind,
                looks_at=looks_at,
                step=errors.steps + 1 + from_last,
                action_mean=float(mean[number]),
                low=float(low[number]),
                high=float(high[number]),
                frame_mean=float(sums[number].sum() / counted.sum()),
                per_action=dict(zip(names.tolist(), per_action[number].tolist(), strict=True)) if last else {},
                per_take=(_rounded(sums[number] / counted),) if last else (),
                per_activity={} if frames is None else _by_activity(errors, frames),
                per_joint=() if joints is None else _rounded(joints.sum(0) / errors.counts.sum()),
            )
        )
    return tuple(values)


def _seen(aggregation: str | None, given: GroundTruth) -> tuple[ValueKind, GroundTruth]:
    """The kind of an aggregation's values, and the ground truth that it or the method looks at."""
    if aggregation is None:
        return "deterministic", given
    (entry,) = (one for one in all_aggregations() if one.name == aggregation)
    return entry.kind, GroundTruth(**{name: own or getattr(given, name) for name, own in entry.looks_at})


def _by_activity(errors: FrameErrors, frames: np.ndarray) -> dict[str, float]:
    """Mean over all frames of each activity, whatever their sequence, as the published evaluation takes it."""
    if errors.activity is None:
        return {}
    names, number = np.unique(errors.activity, return_inverse=True)
    means = np.bincount(number, weights=frames.astype(np.float64)) / np.bincount(number)
    return dict(zip(names.tolist(), means.tolist(), strict=True))


def _rounded(numbers: np.ndarray) -> tuple[float, ...]:
    return tuple(np.round(numbers, 6).tolist())
