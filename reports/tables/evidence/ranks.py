"""Chances of each method to be first, second, third and last, and to be better than the next one."""

from __future__ import annotations

from collections.abc import Sequence

from reports.figures.evidence.ranks import critical_differences
from reports.rules.comparability import groups_of, headline
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry
from reports.rules.names import aggregation_title, marked_name
from reports.rules.ranks import METRIC, Ranked, ranked
from reports.tables.cells import METHOD_AND_AGGREGATION, cell_of, value_number
from reports.tables.layout import Layout
from reports.writers.table import Block, Cell, Column, Row, Table

PLACES = {"first": 0, "second": 1, "third": 2, "last": -1}


def ranks(entries: Sequence[Entry], title: str) -> Table:
    """A row per method that may be compared, best first."""
    columns = (
        *METHOD_AND_AGGREGATION,
        Column("MPJPE"),
        *(Column(place, "Chance (%) to be") for place in PLACES),
        Column("better than the next", "Chance (%) to be"),
    )
    blocks = [
        Block(tuple(map(_row, methods)), text, heading)
        for heading, text, group in groups_of(entries)
        if (methods := ranked(group))
    ]
    notes = (
        "Chances: shares of draws from the estimated distribution of the true means, over seeds of every training "
        "and over subjects (or takes, see Conditions), which all methods share; not corrected for the number of "
        "methods.",
        "Methods that were trained with one seed are not ranked.",
    )
    return Table(title, columns, tuple(blocks), paragraphs(entries, "headline"), notes)


def _row(method: Ranked) -> Row:
    record, chances = method.record, method.chances
    cells = [Cell(marked_name(record)), Cell(aggregation_title(method.value.aggregation))]
    cells.append(cell_of(value_number(record, METRIC, headline(record))))
    for place in PLACES.values():
        known = place < len(chances)
        cells.append(_percent(chances[place]) if known else Cell(reason="there are fewer methods"))
    last = Cell(reason="it is the last")
    return Row((*cells, last if method.beats_next is None else _percent(method.beats_next)), record.runs)


def _percent(chance: float) -> Cell:
    return Cell(f"{100 * chance:.0f}", 100 * chance)


LAYOUT = Layout("ranks", ranks, "chances of ranks", figures=(critical_differences,))
