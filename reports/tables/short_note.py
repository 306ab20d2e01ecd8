"""The conditions of a table as one short note, for a paper."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.rules.conditions import short
from reports.rules.entries import Entry
from reports.rules.metrics import units
from reports.writers.table import Table

OF_A_DEVICE = re.compile(r"\bms\b|\bMB\b|Windows/s|J/window|Training s")
"""Headings of times and of memory."""


def short_note(entries: Sequence[Entry], table: Table) -> str:
    """Units and conditions of the runs whose rows a table has, as far as they concern what it prints.

    Over what intervals are, and on which device times were measured, is said where it has such numbers.
    """
    runs = {run for row in table.rows() for run in row.runs}
    its = [entry for entry in entries if not runs.isdisjoint(entry.runs)] or entries
    if not its:
        return ""
    cells = [cell for row in table.rows() for cell in row.cells]
    headings = [*table.headers, *(block.heading for block in table.blocks)]
    conditions = short(
        its,
        intervals=any(cell.spread or cell.ahead_spread for cell in cells),
        devices=any(map(OF_A_DEVICE.search, headings)),
    )
    return " ".join([*units(its, table.texts()), *conditions])
