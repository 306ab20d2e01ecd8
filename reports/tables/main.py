"""The table of methods: a row per aggregation, rows that use ground truth apart from those that do not."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from bench.results.record import Mean, Record
from reports.rules.comparability import (
    DETECTIONS,
    HIGHER_IS_BETTER,
    METRICS,
    PROPOSED,
    SCORES,
    Line,
    Source,
    aggregation_order,
    aggregation_title,
    aggregations,
    arranged,
    same_but,
    sections,
    source,
    sources,
    use_of_truth,
)
from reports.rules.conditions import paragraphs
from reports.rules.names import row_names
from reports.tables.cells import measured, ms_per_frame, rank_columns, shape, significant, with_brackets, with_runs
from reports.tables.published_numbers import reported_blocks, sources_of_reported
from reports.writers.table import Block, Cell, Column, Table

USES = {
    "none": "No ground-truth pose or trajectory at test time",
    "assisted": "Assisted‡: uses the ground-truth root trajectory at test time",
    "oracle": "Oracle†: uses the ground-truth pose at test time",
}
COMPLETE = "complete"
MEAN_OVER_ACTIONS = "Errors in mm, mean over actions of the mean over an action's frames."
MEAN_OVER_FRAMES = (
    "PCK (within 150 mm) and AUC (0 to 150 mm) in percent over 14 joints, MPJPE in mm over 17, each the mean over "
    "all valid frames together; the mean over sequences stands in the table by sequence."
)


def main(records: Sequence[Record], title: str) -> Table:
    """Methods by detections, a row per aggregation, rows that use ground truth apart from those that do not."""
    return _by_use(records, title, METRICS, "actions", MEAN_OVER_ACTIONS)


def main_and_reported(records: Sequence[Record], title: str) -> Table:
    """``main``, and below it, in blocks of its own, what the papers report."""
    table = main(records, title)
    return replace(
        table,
        blocks=table.blocks + reported_blocks(sources(records), list(METRICS)),
        conditions=(*table.conditions, sources_of_reported()),
    )


def pck(records: Sequence[Record], title: str) -> Table:
    """``main`` with the metrics of MPI-INF-3DHP, each a mean over all frames, as in the set's own evaluation."""
    return _by_use(records, title, SCORES, "frames", MEAN_OVER_FRAMES)


def _by_use(records: Sequence[Record], title: str, metrics: dict[str, str], over: Mean, note: str) -> Table:
    titles = sources(records)
    columns = [
        *(Column(header, align="l") for header in ("Method", "Aggregation")),
        *(Column(header) for header in ("F", "H", "K", "Params (M)", "ms/frame")),
        *(Column(name, spanner) for spanner in titles.values() for name in metrics.values()),
    ]
    measures = [metric for _ in titles for metric in metrics]
    higher = {7 + index for index, metric in enumerate(measures) if metric in HIGHER_IS_BETTER}
    blocks = []
    for heading, members in sections(records):
        lines = arranged(members, lambda record: same_but(record, *DETECTIONS), source)
        answers = _answers(lines)
        rows = [_main_row(*answer, titles, metrics, over) for answer in answers]
        groups: list[Hashable] = [use_of_truth(aggregation, kind) for _, _, aggregation, kind in answers]
        rows = rank_columns(rows, groups, range(7, len(columns)), higher)
        proposed = [line.first.method in PROPOSED for _, line, _, _ in answers]
        rows = with_brackets(rows, groups, proposed, range(7, len(columns)), higher)
        for use, text in USES.items():
            chosen = [index for index, group in enumerate(groups) if str(group).split()[0] == use]
            runs_of = [answers[index][1].runs for index in chosen]
            blocks += [Block(with_runs([rows[i] for i in chosen], runs_of), text, heading)] * bool(chosen)
    notes = [note, "F: output frames of a window; ms/frame: median at batch 1 per output frame."]
    crossed = [text for key, text in titles.items() if key.train != key.test]
    notes += [f"Training and test detections differ in: {'; '.join(crossed)}."] * bool(crossed)
    return Table(title, tuple(columns), tuple(blocks), paragraphs(records), tuple(notes))


def _answers(lines: list[Line]) -> list[tuple[str, Line, str | None, str]]:
    """(name, records, aggregation, kind) of every row; those that look at ground truth by aggregation."""
    answers = []
    for line, name in zip(lines, row_names([line.first for line in lines]), strict=True):
        pairs = dict.fromkeys(pair for record in line.slots.values() for pair in aggregations(record))
        answers += [(name, line, *pair) for pair in pairs or [(None, "deterministic")]]
    return sorted(
        answers, key=lambda row: 0 if use_of_truth(row[2], row[3]) == "none" else 1 + aggregation_order(row[2])
    )


def _main_row(
    name: str,
    line: Line,
    aggregation: str | None,
    kind: str,
    titles: dict[Source, str],
    metrics: dict[str, str],
    over: Mean,
) -> list[Cell]:
    first = next(line.slots[key] for key in titles if key in line.slots)
    row = [Cell(name), Cell(aggregation_title(aggregation, kind)), *shape(first)]
    row += [significant(first.cost.parameters / 1e6), ms_per_frame(first)]
    for key, heading in titles.items():
        absent = f"no run with {heading} under the other conditions of the row"
        row += [measured(line.slots.get(key), metric, aggregation, absent, over) for metric in metrics]
    return row
