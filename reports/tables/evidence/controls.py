"""Controls that a run carries, each with what must come out and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.results.grouping import grouped
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
    """A block per control, a row per method."""
    columns = tuple(Column(name, align="l") for name in ("Of", "Found", "Verdict"))
    verdicts = {True: "holds", False: "does not hold", None: "–"}
    blocks = [
        Block(
            tuple(Row(tuple(map(Cell, (one.of, one.found, verdicts[one.holds])))) for one in its),
            f"{name} (expected: {expected})",
        )
        for (name, expected), its in grouped(found, lambda one: (one.name, one.expected)).items()
    ]
    return Table(title, columns, tuple(blocks), (), NOTES)


def _of_entries(entries: Sequence[Entry], title: str) -> Table:
    records = [entry for entry in entries if isinstance(entry, Record)]
    return replace(controls_table(controls(records), title), conditions=paragraphs(entries, "headline"))


LAYOUT = Layout("controls", _of_entries, in_overall=False)
