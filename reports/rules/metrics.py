"""Metrics of a table: which are printed, and how their columns are headed. All else is in the records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.config.registry import METRICS
from bench.results.record import MetricInfo, Record
from reports.rules.entries import Entry

ERRORS = ("mpjpe", "p_mpjpe")
"""What tables of methods print."""

SCORES = ("pck", "auc", "mpjpe")
"""What tables of MPI-INF-3DHP print."""


def printed_metrics(entries: Sequence[Entry], chosen: Sequence[str]) -> dict[str, MetricInfo]:
    """The metrics of a table: those of its layout, then those of other packages that all its records have."""
    records = [entry for entry in entries if isinstance(entry, Record)]
    return {name: described(records, name) for name in [*chosen, *_of_other_packages(records)]}


def described(records: Iterable[Record], name: str) -> MetricInfo:
    """Title, unit and direction of a metric, as the first record that has it says."""
    records = list(records)
    known = [record for record in records if any(value.metric == name for value in record.values)] or records
    return known[0].metric(name) if known else MetricInfo(title=name, unit="")


def in_order(names: Iterable[str]) -> list[str]:
    """Metrics of the suite in its order, then those of other packages as they come."""
    found = list(dict.fromkeys(names))
    return [*(name for name in METRICS.own if name in found), *(name for name in found if name not in METRICS.own)]


def _of_other_packages(records: Sequence[Record]) -> list[str]:
    names = dict.fromkeys(value.metric for record in records for value in record.values)
    return [
        name
        for name in names
        if name not in METRICS.own
        and all(any(value.metric == name for value in record.values) for record in records)
    ]


def headers(infos: Iterable[MetricInfo]) -> list[str]:
    """Headings of columns; with arrows where it is not lower that is better in all of them."""
    infos = list(infos)
    if not any(info.higher_is_better for info in infos):
        return [info.title for info in infos]
    return [f"{info.title} {'↑' if info.higher_is_better else '↓'}" for info in infos]


def title_with_unit(info: MetricInfo) -> str:
    """``PCK (%) ↑``."""
    unit = f" ({info.unit})" if info.unit else ""
    return f"{info.title}{unit}{' ↑' if info.higher_is_better else ''}"
