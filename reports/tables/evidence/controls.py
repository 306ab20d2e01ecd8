"""Controls that a run carries, each with what must come out and what came out."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results.record import Record
from reports.rules.conditions import paragraphs
from reports.rules.controls import Control, controls
from reports.rules.entries import Entry
from reports.tables.layout import Layout
from reports.writers.table import Block, Cell, Column, Row, Table

NOTES = (
    "A/A: two groups of trainings of one method. Spike-in: errors made larger, by an exponential share of the "
    "size in each take, and compared with those of the same weights and of other trainings. Permuted labels: mean "
    "error minus that of FinePOSE trained with the labels of other takes. Fresh people: test sets of other "
    "people of the same generator.",
)


def controls_table(found: Sequence[Control], title: str) -> Table:
    """A row per control and method."""
    columns = tuple(Column(name, align="l") for name in ("Control", "Of", "Expected", "Found", "Verdict"))
    verdicts = {True: "holds", False: "does not hold", None: "–"}
    rows = [
        Row(tuple(map(Cell, (one.name, one.of, one.expected, one.found, verdicts[one.holds])))) for one in found
    ]
    return Table(title, columns, (Block(tuple(rows)),) if rows else (), (), NOTES)


def _of_entries(entries: Sequence[Entry], title: str) -> Table:
    records = [entry for entry in entries if isinstance(entry, Record)]
    made = controls_table(controls(records), title)
    return Table(title, made.columns, made.blocks, paragraphs(entries, "headline"), made.notes)


LAYOUT = Layout("controls", _of_entries, in_overall=False)
