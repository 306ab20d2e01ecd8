"""The table of all results: one row per run and aggregation, in groups of what may be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.config.registry import METRICS
from bench.results.grouping import grouped
from bench.results.record import Record
from bench.results.statistics.seeds import pool
from reports.rules.comparability import TRIVIAL, aggregations, groups_of, use_of_truth
from reports.rules.conditions import paragraphs
from reports.rules.metrics import ERRORS, SCORES, described, in_order, usual_mean
from reports.rules.names import MEANS, USES, aggregation_title, detections_of, marked_name, seeds_of
from reports.tables.cells import (
    ABOUT_FRAMES,
    SHAPE,
    Draft,
    block,
    memory_cell,
    millions_of_parameters,
    ms_per_frame,
    shape,
    significant,
    value_number,
)
from reports.writers.table import Cell, Column, Table

CHOICES = ("Method", "Aggregation", "Detections", "H", "K", "Size", "Seeds", "Ablation")
"""Columns that a reader filters by value."""


def results(records: Sequence[Record], ablations: Mapping[str, Sequence[str]]) -> Table:
    """Every number of every run under each aggregation.

    Args:
        ablations: id of a run → names of the ablations that declare it.
    """
    known = dict.fromkeys(value.metric for record in records for value in record.values)
    named = dict.fromkeys([*ERRORS, *SCORES, *(metric for metric in known if metric not in METRICS.own)])
    metrics = {metric: described(records, metric) for metric in in_order(named) if metric in known}
    columns = (
        *(Column(header, align="l") for header in ("Method", "Aggregation", "Detections")),
        *SHAPE,
        *(Column(f"{info.title} ↑" if info.higher_is_better else info.title) for info in metrics.values()),
        *(Column(header) for header in ("ms/frame", "Memory (MB)", "Params (M)", "GFLOPs/frame")),
        *(Column(header, align="l") for header in ("Size", "Seeds", "Ablation", "MLflow run")),
    )
    blocks = []
    for heading, place, group in groups_of(records, by_device=True):
        numbers = [(record, *pair) for record in group for pair in aggregations(record)]
        uses = grouped(numbers, lambda number: use_of_truth(*number[1:]).split()[0])
        for use, text in USES.items():
            its = uses.get(use, [])
            rows = [_row(record, name, kind, list(metrics), ablations) for record, name, kind in its]
            blocks += [block(rows, f"{place}. {text}", heading)] if rows else []
    notes = (
        *(MEANS[over] for over in dict.fromkeys(map(usual_mean, records))),
        f"{ABOUT_FRAMES} ms/frame: median at batch 1 per output frame. Seeds: of training / of sampling noise.",
        "Sorting stays within a group: only its numbers were obtained under equal conditions.",
    )
    conditions = paragraphs(records, by_device=True, pooled=pool(records))
    return Table("All results", columns, tuple(blocks), conditions, notes)


def _row(
    record: Record,
    aggregation: str | None,
    kind: str,
    metrics: Sequence[str],
    ablations: Mapping[str, Sequence[str]],
) -> Draft:
    cost = record.cost
    trivial = " (trivial)" if record.method in TRIVIAL else ""
    return Draft(
        [
            Cell(marked_name(record) + trivial),
            Cell(aggregation_title(aggregation, kind)),
            Cell(detections_of(record)),
            *shape(record),
            *(value_number(record, metric, aggregation, over=usual_mean(record)) for metric in metrics),
            ms_per_frame(record),
            memory_cell(cost),
            millions_of_parameters(record),
            significant(cost.flops_per_frame / 1e9),
            Cell(record.preset),
            Cell(seeds_of(record)),
            Cell(", ".join(ablations.get(record.id, ()))),
            Cell((record.mlflow_run_id or "not logged")[:10]),
        ],
        record.runs,
    )
