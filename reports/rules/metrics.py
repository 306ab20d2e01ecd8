"""Metrics and terms of a table: which are printed, how columns are headed, and what the words mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bench.config.registry import AGGREGATIONS, METRICS
from bench.results.record import MetricInfo, Record
from bench.results.statistics.variance import Mean
from models.errors import InputError
from reports.rules.comparability import aggregation_order
from reports.rules.entries import Entry

ERRORS = ("mpjpe", "p_mpjpe")
"""What tables of methods print."""

SCORES = ("pck", "auc", "mpjpe")
"""What tables of MPI-INF-3DHP print."""

OVER_FRAMES = ("mpi_inf_3dhp",)
"""Data sets whose own evaluation takes the mean over all frames together; that of others is over actions."""

TERMS = {
    "single": "the one pose of a deterministic method",
    "DET": "2D poses of a detector",
    "GT": "exact 2D poses",
    "H": "hypotheses",
    "K": "steps of denoising",
    "FPP": "FinePOSE's prompts of body parts",
    "FPC": "FinePOSE's communication between prompt and pose",
    "PTS": "FinePOSE's prompt of the time step",
    "w/o": "switched off",
}


def printed_metrics(entries: Sequence[Entry], chosen: Sequence[str]) -> dict[str, MetricInfo]:
    """The metrics of a table: those of its layout, then those of other packages that all its records have."""
    records = [entry for entry in entries if isinstance(entry, Record)]
    measured = [dict.fromkeys(value.metric for value in record.values) for record in records]
    shared = [name for name in (measured[0] if measured else ()) if all(name in its for its in measured)]
    others = [name for name in shared if name not in METRICS.own]
    return {name: described(records, name) for name in [*chosen, *others]}


def usual_mean(record: Record) -> Mean:
    """What its numbers are means over in tables: as the papers print them of its data set."""
    return "frames" if record.data.name in OVER_FRAMES else "actions"


def described(records: Iterable[Record], name: str) -> MetricInfo:
    """Title, unit and direction of a metric, as the first record that has it says."""
    records = list(records)
    known = [record for record in records if any(value.metric == name for value in record.values)] or records
    return known[0].metric(name) if known else MetricInfo(title=name, unit="")


def in_order(names: Iterable[str]) -> list[str]:
    """Metrics of the suite in its order, then those of other packages as they come."""
    found = list(dict.fromkeys(names))
    return [*(name for name in METRICS.own if name in found), *(name for name in found if name not in METRICS.own)]


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


def definitions(entries: Sequence[Entry]) -> dict[str, str]:
    """Term → meaning: of the aggregations and metrics that runs have, and of the suite's own terms."""
    records = [entry for entry in entries if isinstance(entry, Record)]
    values = [(record, value) for record in records for value in record.values]
    names = sorted({value.aggregation for _, value in values if value.aggregation}, key=aggregation_order)
    infos = {name: record.metric(name) for record in records[:1] for name in METRICS.own}
    infos |= {value.metric: record.metric(value.metric) for record, value in values}
    metrics = {info.title: _meaning(name, info) for name, info in infos.items()}
    return {name: _rule(name) for name in names} | metrics | TERMS


def defined(entries: Sequence[Entry], texts: Iterable[str]) -> list[str]:
    """A sentence of the terms that are among the words of some texts; none where none is."""
    printed = "\n".join(texts)
    found = [f"{term}: {meaning}" for term, meaning in definitions(entries).items() if _stands_in(printed, term)]
    return [f"{'; '.join(found)}."] * bool(found)


def units(entries: Sequence[Entry], texts: Iterable[str]) -> list[str]:
    """A sentence of the units of the metrics that are among the words of some texts; none where none has one."""
    printed = "\n".join(texts)
    records = [entry for entry in entries if isinstance(entry, Record)]
    infos = {value.metric: record.metric(value.metric) for record in records for value in record.values}
    titles: dict[str, list[str]] = {}
    for name in in_order(infos):
        if infos[name].unit and _stands_in(printed, infos[name].title):
            titles.setdefault(infos[name].unit, []).append(infos[name].title)
    found = [f"{', '.join(its)} in {unit}" for unit, its in titles.items()]
    return [f"{'; '.join(found)}."] * bool(found)


def _stands_in(printed: str, term: str) -> bool:
    """Whether a term is printed as a word."""
    return re.search(rf"(?<![\w/-]){re.escape(term)}(?![\w-])", printed) is not None


def _meaning(name: str, info: MetricInfo) -> str:
    """What a metric is, in the words of whoever wrote it, if any, then its unit and direction as records say."""
    try:
        rule = str(getattr(METRICS.load(name), "rule", ""))
    except InputError:  # its package is gone
        rule = ""
    unit = f"in {info.unit or 'no unit'}"
    return ", ".join(filter(None, (rule, unit, "higher is better" * info.higher_is_better)))


def _rule(aggregation: str) -> str:
    """What an aggregation does, in the words of whoever wrote it; those of a package that is gone have none."""
    try:
        return str(getattr(AGGREGATIONS.load(aggregation), "rule", "no rule is stated"))
    except InputError:
        return "of a package that is not installed"
