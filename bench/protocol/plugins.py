"""What metrics and aggregations of other packages add to an evaluation, and to its identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.config.registry import AGGREGATIONS, METRICS
from bench.protocol.aggregation import all_aggregations, deployable_poses
from bench.protocol.metrics import all_metrics


def kept_aggregations(named: Sequence[str]) -> tuple[str, ...]:
    """The aggregations whose values a record keeps.

    Args:
        named: ``EvaluationSpec.aggregations``. Where these are the suite's own, as by default, those of installed
            packages are kept too.
    """
    if tuple(named) != tuple(AGGREGATIONS.own):
        return tuple(dict.fromkeys(named))
    return tuple(entry.name for entry in all_aggregations())


def plugin_identity(named: Sequence[str]) -> dict[str, Any]:
    """What the identity of an evaluation says of other packages: names and versions; nothing where there are none.

    An evaluation that was made before a metric was installed lacks it, so it must not be taken for one with it.

    Args:
        named: ``EvaluationSpec.aggregations``; () for a deterministic method, which has none.
    """
    metrics = {metric.name: metric.version for metric in all_metrics() if metric.name not in METRICS.own}
    there = set(kept_aggregations(named)) - AGGREGATIONS.own.keys()
    aggregations = {entry.name: entry.version for entry in all_aggregations() if entry.name in there}
    found = {"metrics": metrics, "aggregations": aggregations}
    return {"plug-ins": found} if metrics or aggregations else {}


def cost_plugin_identity(probabilistic: bool) -> dict[str, Any]:
    """What the identity of a measurement says of other packages: the aggregations whose time is measured too.

    Args:
        probabilistic: whether the method has hypotheses.
    """
    names = deployable_poses().keys() - AGGREGATIONS.own.keys() if probabilistic else ()
    versions = {entry.name: entry.version for entry in all_aggregations() if entry.name in names}
    return {"plug-ins": versions} if versions else {}
