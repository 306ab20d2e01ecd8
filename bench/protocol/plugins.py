"""What metrics and aggregations of other packages add to an evaluation, and to its identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.config.registry import AGGREGATIONS
from bench.protocol.aggregation import all_aggregations, computed_aggregations
from bench.protocol.metrics import all_metrics


def kept_aggregations(named: Sequence[str]) -> tuple[str, ...]:
    """The aggregations of ``EvaluationSpec.aggregations`` whose values a record keeps.

    Where these are the suite's usual ones, as by default, those of installed packages are kept too.
    """
    if _keeps_plugins(named):
        return tuple(entry.name for entry in computed_aggregations())
    return tuple(dict.fromkeys(named))


def plugin_identity(named: Sequence[str]) -> dict[str, Any]:
    """What the identity of an evaluation says of other packages: names and versions; nothing where there are none.

    An evaluation that was made before a metric was installed lacks it, so it must not be taken for one with it.
    ``named`` is () for a deterministic method, which has no aggregation.
    """
    every = _keeps_plugins(named)
    metrics = {metric.name: metric.version for metric in all_metrics(own=False)}
    aggregations = {
        entry.name: entry.version for entry in all_aggregations(own=False) if every or entry.name in named
    }
    found = {"metrics": metrics, "aggregations": aggregations}
    return {"plug-ins": found} if metrics or aggregations else {}


def cost_plugin_identity(named: Sequence[str]) -> dict[str, Any]:
    """What the identity of a measurement says of aggregations whose time is measured too: all but the usual ones.

    ``named`` is () for a deterministic method, which has no aggregation.
    """
    if not named:
        return {}
    requested = set(named).intersection(AGGREGATIONS.on_request)
    further = [entry for entry in all_aggregations() if entry.name in requested] if requested else []
    timed = [entry for entry in (*all_aggregations(own=False), *further) if entry.kind == "deployable"]
    return {"plug-ins": {entry.name: entry.version for entry in timed}} if timed else {}


def _keeps_plugins(named: Sequence[str]) -> bool:
    """Whether the aggregations of installed packages are kept without being named."""
    return tuple(named) == AGGREGATIONS.usual
