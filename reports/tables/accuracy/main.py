"""The tables of methods: a row per aggregation, rows that use ground truth apart from those that do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench.results.record import MetricInfo, ValueKind
from bench.results.statistics.variance import Mean
from reports.figures.accuracy.breakdown import errors_by_action
from reports.figures.accuracy.error_cdf import error_distribution
from reports.figures.accuracy.oracle_gap import oracle_beside_deployable
from reports.figures.accuracy.per_joint import errors_by_joint
from reports.figures.accuracy.qualitative import example_poses
from reports.figures.accuracy.sampling import convergence
from reports.figures.evidence.ranks import critical_differences, paired_differences
from reports.figures.runs.training_curves import error_by_compute, training_curves
from reports.rules.comparability import (
    DETECTIONS,
    PROPOSED,
    Line,
    Source,
    aggregations,
    headline,
    into_lines,
    on_each_device,
    same_but,
    sections,
    source,
    sources,
    truth_order,
    use_of_truth,
    usual_device,
)
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry
from reports.rules.metrics import ERRORS, SCORES, headers, printed_metrics
from reports.rules.names import MEANS, USES, aggregation_title, row_names
from reports.tables.accuracy.breakdown import ACTIONS, ACTIVITIES, SEQUENCES
from reports.tables.accuracy.oracle_gap import LAYOUT as ORACLE_GAP
from reports.tables.accuracy.published_numbers import Data, reported_blocks, sources_of_reported
from reports.tables.cells import (
    ABOUT_FRAMES,
    METHOD_AND_AGGREGATION,
    SHAPE,
    Draft,
    Entered,
    block,
    millions_of_parameters,
    ms_per_frame,
    shape,
    value_number,
)
from reports.tables.cost.cost import COSTS
from reports.tables.evidence.ranks import LAYOUT as RANKS
from reports.tables.layout import Layout
from reports.writers.table import Cell, Column, Table

FIRST_METRIC = 8
"""The column of the first metric."""


def main(entries: Sequence[Entry], title: str) -> Table:
    """MPJPE, P-MPJPE and metrics of other packages; below, in blocks of its own, what the papers report."""
    return _with_reported(measured_methods(entries, title), "human36m", entries, ERRORS)


def measured_methods(entries: Sequence[Entry], title: str) -> Table:
    """``main`` without reported numbers."""
    return _by_use(entries, title, printed_metrics(entries, ERRORS), "actions")


def pck(entries: Sequence[Entry], title: str) -> Table:
    """``measured_pck``; below, in blocks of its own, what the papers report."""
    return _with_reported(measured_pck(entries, title), "mpi_inf_3dhp", entries, SCORES)


def measured_pck(entries: Sequence[Entry], title: str) -> Table:
    """The metrics of MPI-INF-3DHP, each a mean over all frames, as in the set's own evaluation."""
    return _by_use(entries, title, printed_metrics(entries, SCORES), "frames")


def _with_reported(table: Table, data: Data, entries: Sequence[Entry], metrics: Sequence[str]) -> Table:
    """The table with the rows that papers report on a data set, in its columns."""
    blocks = reported_blocks(data, sources(entries), list(printed_metrics(entries, metrics)))
    conditions = (*table.conditions, sources_of_reported(data))
    return replace(table, blocks=table.blocks + blocks, conditions=conditions)


def _by_use(entries: Sequence[Entry], title: str, metrics: dict[str, MetricInfo], over: Mean) -> Table:
    titles = sources(entries)
    columns = (
        *METHOD_AND_AGGREGATION,
        *SHAPE,
        *(Column(header) for header in ("Params (M)", "ms/frame")),
        *(Column(header, spanner) for spanner in titles.values() for header in headers(metrics.values())),
    )
    blocks, timed_on = [], []
    for heading, members in sections(entries):
        where = usual_device(members)
        timed_on.append(where)
        lines = into_lines(members, lambda entry: same_but(entry, *DETECTIONS), source)
        numbers = sorted(_numbers(lines), key=lambda number: truth_order(*number[2:]))
        rows = [_draft(*number, titles, list(metrics), over, where) for number in numbers]
        for use, text in USES.items():
            its = [row for row in rows if str(row.group).startswith(use)]
            blocks += [block(its, text, heading, range(FIRST_METRIC, len(columns)))] if its else []
    notes = [MEANS[over], f"{ABOUT_FRAMES} ms/frame: median at batch 1 per output frame."]
    several = len({name for entry in entries for name in on_each_device(entry)}) > 1
    notes += [f"ms/frame: on {'; '.join(dict.fromkeys(timed_on))}."] * several
    crossed = [text for key, text in titles.items() if key.train != key.test]
    notes += [f"Training and test detections differ in: {'; '.join(crossed)}."] * bool(crossed)
    return Table(title, columns, tuple(blocks), paragraphs(entries), tuple(notes))


def _numbers(lines: list[Line]) -> Iterator[tuple[str, Line, str | None, ValueKind]]:
    """(name, runs, aggregation, kind) of every row."""
    for line, name in zip(lines, row_names([line.first for line in lines]), strict=True):
        pairs = dict.fromkeys(pair for entry in line.slots.values() for pair in aggregations(entry))
        chosen = headline(line.first)  # of a line without any record
        for aggregation, kind in list(pairs) or [(chosen, "deployable" if chosen else "deterministic")]:
            yield name, line, aggregation, kind


def _draft(
    name: str,
    line: Line,
    aggregation: str | None,
    kind: ValueKind,
    titles: dict[Source, str],
    metrics: list[str],
    over: Mean,
    where: str,
) -> Draft:
    slots = [line.slots[key] for key in titles if key in line.slots]
    costed = [slot for slot in slots if slot.cost is not None] or slots  # a run that failed may have none
    measured = next((slot for slot in costed if where in on_each_device(slot)), costed[0])
    cells: list[Entered] = [Cell(name), Cell(aggregation_title(aggregation, kind)), *shape(slots[0])]
    cells += [millions_of_parameters(costed[0]), ms_per_frame(measured, where)]
    for key, heading in titles.items():
        why_not = f"no run with {heading} under the other conditions of the row"
        cells += [value_number(line.slots.get(key), metric, aggregation, why_not, over) for metric in metrics]
    return Draft(cells, line.runs, use_of_truth(aggregation, kind), line.first.method in PROPOSED)


FIGURES = (convergence, errors_by_action)
PICTURES = (errors_by_joint, error_distribution, example_poses)

LAYOUT = Layout(
    "main",
    main,
    figures=(*FIGURES, critical_differences, paired_differences, oracle_beside_deployable),
    figures_of_runs=(training_curves, error_by_compute),
    pictures=PICTURES,
    companions=(RANKS, COSTS, ACTIONS, ORACLE_GAP),
)
PCK = Layout("pck", pck, companions=(COSTS, SEQUENCES, ACTIVITIES))
