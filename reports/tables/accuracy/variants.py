"""Variants of a method, and prompts, with their difference to a row that they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.results.grouping import grouped
from bench.results.record import Record
from bench.results.statistics.intervals import Difference
from reports.rules.comparability import (
    DETECTIONS,
    Line,
    Source,
    headline,
    into_lines,
    same_but,
    sections,
    source,
    sources,
)
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry
from reports.rules.metrics import ERRORS, headers, printed_metrics
from reports.rules.names import MEAN_OVER_ACTIONS, aggregation_title, seeds_of, size_in_words, variant_name
from reports.tables.accuracy.published_numbers import beside_reported_prompts
from reports.tables.cells import DIFFERENCES, Draft, Entered, Number, block, difference_cell, value_number
from reports.tables.cost.cost import COSTS
from reports.tables.layout import Layout
from reports.writers.table import Cell, Column, Table

COMPLETE = "complete"
"""What a method without changes is called."""


def prompts(entries: Sequence[Entry], title: str) -> Table:
    """Prompt variants with their difference to the same method without a prompt; beside them its poster's."""
    table = _comparison(entries, title, "Prompt", _prompt, "none", _without_prompt)
    return beside_reported_prompts(table, [run for e in entries if e.method == "finepose" for run in e.runs])


def variants(entries: Sequence[Entry], title: str) -> Table:
    """Variants of a method (switched-off parts, changed inputs) with their difference to the method as it is."""
    return _comparison(entries, title, "Variant", lambda entry: variant_name(entry) or COMPLETE, COMPLETE)


def _comparison(
    entries: Sequence[Entry],
    title: str,
    header: str,
    name: Callable[[Entry], str],
    reference: str,
    others: Callable[[Entry], list[str]] = lambda _: [],
) -> Table:
    """Rows compared with one of their family.

    Args:
        name: of a row.
        reference: name of the row that the others of its family are compared with.
        others: parts of a variant's name that all rows of a family share.
    """
    titles, metrics = sources(entries), printed_metrics(entries, ERRORS)
    names = [shown for metric in headers(metrics.values()) for shown in (metric, f"Δ {metric}")]
    columns = (
        *(Column(text, align="l") for text in (header, "Action label")),
        *(Column(text, spanner) for spanner in titles.values() for text in names),
    )
    blocks = []
    for heading, members in sections(entries):
        for family, its in grouped(members, lambda entry: _family(entry, others(entry))).items():
            lines = into_lines(its, lambda entry: same_but(entry, *DETECTIONS), source)
            base = next((line for line in lines if name(line.first) == reference), None)
            rows = [
                Draft([Cell(name(line.first)), *_cells(line, base, titles, list(metrics), reference)], line.runs)
                for line in lines
            ]
            seeds = " or ".join(dict.fromkeys(map(seeds_of, its)))
            blocks.append(block(rows, ", ".join((*family, f"seeds {seeds}")), heading, range(2, len(columns), 2)))
    below = "; below zero is better" * (not any(info.higher_is_better for info in metrics.values()))
    notes = (MEAN_OVER_ACTIONS, f"Δ: difference to the row {reference!r}{below}.", DIFFERENCES)
    return Table(title, columns, tuple(blocks), paragraphs(entries, "headline"), notes)


def _family(entry: Entry, others: list[str]) -> tuple[str, ...]:
    """What all rows that are compared with each other share, in words."""
    aggregation = aggregation_title(headline(entry))
    return entry.title, *others, entry.preset, aggregation, size_in_words(entry)


def _without_prompt(entry: Entry) -> list[str]:
    return [part for part in entry.variant.split(", ") if part and not part.startswith("prompt=")]


def _prompt(entry: Entry) -> str:
    return entry.conditions.notes.get("prompt", "not said by the method")


def _cells(
    line: Line, base: Line | None, titles: dict[Source, str], metrics: list[str], reference: str
) -> list[Entered]:
    cells: list[Entered] = [Cell("given" if line.first.conditions.action_label_given else "not given")]
    for key, heading in titles.items():
        entry, other = line.slots.get(key), base.slots.get(key) if base else None
        for metric in metrics:
            number = value_number(entry, metric, headline(line.first), f"no run with {heading}")
            cells += [number, _difference(number, entry, other, metric, reference)]
    return cells


def _difference(
    number: Cell | Number, entry: Entry | None, other: Entry | None, metric: str, reference: str
) -> Cell | Difference:
    if isinstance(number, Cell):
        return number
    if entry is other:
        return Cell("reference")
    base = other.value(metric, headline(other)) if other else None
    if base is None or not isinstance(other, Record):
        return Cell(reason=f"no run of {reference!r} under the same conditions")
    return difference_cell(number.record.difference(number.value, other, base))


LAYOUT = Layout("variants", variants)
PROMPTS = Layout("prompts", prompts)
WITH_COSTS = Layout("cost", variants, companions=(COSTS,))
"""For what changes the cost and hardly the error: variants, and the table of their costs."""
