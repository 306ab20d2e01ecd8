"""One function per layout of a table: from the records that a declared ablation names to the table it prints.

A new layout is one function ``(records, title) -> Table`` and one line in ``LAYOUTS``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

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
    grouped,
    headline,
    row_names,
    same_but,
    sampling_size,
    sections,
    seeds_of,
    source,
    sources,
    split_by_source,
    use_of_truth,
)
from reports.rules.conditions import paragraphs
from reports.tables.cells import measured, ms_per_frame, rank_columns, shape, significant, with_brackets, with_runs
from reports.tables.cost import cost
from reports.tables.oracle_gap import gaps
from reports.tables.pareto import pareto
from reports.tables.protocol_audit import audit
from reports.tables.published_numbers import reported_blocks, sources_of_reported
from reports.tables.sampling import actions, activities, sampling, sequences
from reports.tables.scaling import scaling
from reports.tables.tuning import validation
from reports.writers.table import Block, Cell, Column, Table

Layout = Callable[[Sequence[Record], str], Table]

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


@dataclass(frozen=True)
class _Compared:
    """What the rows of a comparison are called, and which of them the others are compared with."""

    header: str
    name: Callable[[Record], str]
    reference: str
    family: Callable[[Record], tuple[str, ...]]


def prompts(records: Sequence[Record], title: str) -> Table:
    """Prompt variants with their difference to the same method without a prompt."""
    return _comparison(records, title, _Compared("Prompt", _prompt, "none", _prompt_family))


def variants(records: Sequence[Record], title: str) -> Table:
    """Variants of a method (switched-off parts, changed inputs) with their difference to the method as it is."""
    return _comparison(records, title, _Compared("Variant", _variant, COMPLETE, _variant_family))


def _comparison(records: Sequence[Record], title: str, compared: _Compared) -> Table:
    titles = sources(records)
    headers = [header for name in METRICS.values() for header in (name, f"Δ {name}")]
    columns = [
        *(Column(header, align="l") for header in (compared.header, "Action label")),
        *(Column(header, spanner) for spanner in titles.values() for header in headers),
    ]
    blocks = []
    for heading, members in sections(records):
        for family in grouped(members, compared.family).values():
            lines = arranged(family, lambda record: same_but(record, *DETECTIONS), source)
            reference = next((line for line in lines if compared.name(line.first) == compared.reference), None)
            rows = [_compared_row(line, reference, titles, compared) for line in lines]
            rows = rank_columns(rows, [0] * len(rows), range(2, len(columns), 2))
            text = ", ".join(compared.family(family[0]))
            blocks.append(Block(with_runs(rows, [line.runs for line in lines]), text, heading))
    notes = (MEAN_OVER_ACTIONS, f"Δ: difference to the row {compared.reference!r}; below zero is better.")
    return Table(title, tuple(columns), tuple(blocks), paragraphs(records, "headline"), notes)


def _family(record: Record, others: list[str]) -> tuple[str, ...]:
    """What records share that are compared with each other, in words."""
    width, steps = sampling_size(record)
    seeds = f"seeds {seeds_of(record)}"
    answer = aggregation_title(headline(record), "")
    return (record.title, *others, record.preset, answer, f"H = {width}, K = {steps}", seeds)


def _prompt_family(record: Record) -> tuple[str, ...]:
    others = [part for part in record.variant.split(", ") if part and not part.startswith("prompt=")]
    return _family(record, others)


def _prompt(record: Record) -> str:
    return record.conditions.notes.get("prompt", "not said by the method")


def _variant_family(record: Record) -> tuple[str, ...]:
    return _family(record, [])


def _variant(record: Record) -> str:
    return record.variant or COMPLETE


def _compared_row(
    line: Line, reference: Line | None, titles: dict[Source, str], compared: _Compared
) -> list[Cell]:
    label = "given" if line.first.conditions.action_label_given else "not given"
    row = [Cell(compared.name(line.first)), Cell(label)]
    for key, heading in titles.items():
        record, other = line.slots.get(key), reference.slots.get(key) if reference else None
        for metric in METRICS:
            cell = measured(record, metric, headline(line.first), f"no run with {heading}")
            row += [cell, _difference(cell, record, other, metric, compared.reference)]
    return row


def _difference(cell: Cell, record: Record | None, other: Record | None, metric: str, reference: str) -> Cell:
    if cell.number is None or record is None:
        return Cell(reason=cell.reason)
    if record is other:
        return Cell("reference")
    base = None if other is None else other.value(metric, headline(other))
    if base is None:
        return Cell(reason=f"no run of {reference!r} under the same conditions")
    difference = cell.number - base.action_mean
    return Cell(f"{difference:+.1f}".replace("-", "−"), difference)


def runs(records: Sequence[Record], title: str) -> Table:
    """One row per record, whatever was varied: the headline and, marked, the other aggregations."""
    found = [pair for record in records for pair in aggregations(record) if pair[0] != headline(record)]
    others = sorted(dict.fromkeys(found), key=lambda pair: aggregation_order(pair[0]))
    columns = [
        *(Column(header, align="l") for header in ("Run", "Method", "Aggregation")),
        *(Column(header) for header in ("F", "H", "K", "ms/frame")),
        *(Column(name, "Headline") for name in METRICS.values()),
        *(Column(aggregation_title(*pair), "MPJPE") for pair in others),
    ]
    blocks = []
    for heading, members in sections(records):
        for text, group in split_by_source(members, sources(records)):
            rows = [_run_row(record, name, others) for name, record in zip(row_names(group), group, strict=True)]
            rows = rank_columns(rows, [0] * len(rows), range(7, len(columns)))
            blocks.append(Block(with_runs(rows, [record.runs for record in group]), text, heading))
    return Table(title, tuple(columns), tuple(blocks), paragraphs(records), (MEAN_OVER_ACTIONS,))


def _run_row(record: Record, name: str, others: list[tuple[str | None, str]]) -> list[Cell]:
    chosen = headline(record)
    kinds = dict(aggregations(record))
    cells = [
        Cell(record.id),
        Cell(name),
        Cell(aggregation_title(chosen, "")),
        *shape(record),
        ms_per_frame(record),
    ]
    cells += [measured(record, metric, chosen, "") for metric in METRICS]
    for aggregation, kind in others:
        absent = "a deterministic method has no aggregation" if chosen is None else "not computed in this run"
        known = kinds.get(aggregation) == kind
        cells.append(measured(record if known else None, "mpjpe", aggregation, absent))
    return cells


LAYOUTS: dict[str, Layout] = {
    "main": main_and_reported,
    "pck": pck,
    "prompts": prompts,
    "variants": variants,
    "cost": variants,
    "sampling": sampling,
    "pareto": pareto,
    "gaps": gaps,
    "actions": actions,
    "sequences": sequences,
    "activities": activities,
    "audit": audit,
    "tuning": validation,
    "scaling": scaling,
    "runs": runs,
}

COMPANION_LAYOUTS = LAYOUTS | {"cost": cost}
