"""A row per run, whatever was varied: the headline and, marked, the other aggregations."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results.record import ValueKind
from reports.figures.runs.training_curves import training_curves
from reports.rules.comparability import aggregations, groups_of, headline, in_table_order, usual_device
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry
from reports.rules.metrics import ERRORS, headers, printed_metrics
from reports.rules.names import MEAN_OVER_ACTIONS, aggregation_title, row_names
from reports.tables.accuracy.main import FIGURES, PICTURES
from reports.tables.cells import ABOUT_FRAMES, SHAPE, Draft, Entered, block, ms_per_frame, shape, value_number
from reports.tables.layout import Layout
from reports.writers.table import Cell, Column, Table

FIRST_METRIC = 8
"""The column of the first metric."""

Pairs = list[tuple[str | None, ValueKind]]


def runs(entries: Sequence[Entry], title: str) -> Table:
    """One row per run. Tables whose layout is not known look like this too."""
    metrics = printed_metrics(entries, ERRORS)
    others = in_table_order(
        pair for entry in entries for pair in aggregations(entry) if pair[0] != headline(entry)
    )
    columns = (
        *(Column(header, align="l") for header in ("Run", "Method", "Aggregation")),
        *SHAPE,
        Column("ms/frame"),
        *(Column(name, "Headline") for name in headers(metrics.values())),
        *(Column(aggregation_title(*pair), "MPJPE") for pair in others),
    )
    blocks = []
    for heading, text, group in groups_of(entries):
        where = usual_device(group)
        names = zip(row_names(group), group, strict=True)
        rows = [Draft(_row(entry, name, list(metrics), others, where), entry.runs) for name, entry in names]
        blocks.append(block(rows, text, heading, range(FIRST_METRIC, len(columns))))
    return Table(title, columns, tuple(blocks), paragraphs(entries), (MEAN_OVER_ACTIONS, ABOUT_FRAMES))


def _row(entry: Entry, name: str, metrics: list[str], others: Pairs, where: str) -> list[Entered]:
    chosen = headline(entry)
    kinds = dict(aggregations(entry))
    cells: list[Entered] = [Cell(entry.id), Cell(name), Cell(aggregation_title(chosen)), *shape(entry)]
    cells.append(ms_per_frame(entry, where))
    cells += [value_number(entry, metric, chosen) for metric in metrics]
    for aggregation, kind in others:
        why_not = "a deterministic method has no aggregation" if chosen is None else "not computed in this run"
        known = kinds.get(aggregation) == kind
        cells.append(value_number(entry if known else None, "mpjpe", aggregation, why_not))
    return cells


LAYOUT = Layout("runs", runs, figures=FIGURES, figures_of_runs=(training_curves,), pictures=PICTURES)
