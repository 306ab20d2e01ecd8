"""A table as CSV, numbers unrounded."""

from __future__ import annotations

import csv
import io
import re

from reports.writers.table import Cell, Table

_FORMULA = re.compile(r"\s*[=+@＝＋＠－-]|[\t\r\n]")
"""The beginning of a text that a spreadsheet takes for a formula and runs."""


def to_csv(table: Table) -> str:
    """One line per row: section, group, every column (unrounded, with low and high, and whether a time was
    disturbed), what is missing, ids of the runs.

    A text that a spreadsheet would run as a formula begins with an apostrophe, which makes it a text there.
    """
    cells = [table.column(index) for index in range(len(table.columns))]
    intervals = [any(cell.low is not None for cell in column) for column in cells]
    brackets = [any(cell.ahead is not None for cell in column) for column in cells]
    marks = [any(cell.disturbed for cell in column) for column in cells]
    header = ["section", "group"]
    for column, interval, bracket, mark in zip(table.columns, intervals, brackets, marks, strict=True):
        header += [column.full_name]
        header += [f"{column.full_name} low", f"{column.full_name} high"] * interval
        header += [f"{column.full_name} minus best other", f"{column.full_name} minus best other ±"] * bracket
        header += [f"{column.full_name} disturbed"] * mark
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(_harmless, [*header, "missing", "runs"]))
    for block in table.blocks:
        for row in block.rows:
            fields = [block.section, block.heading]
            for cell, interval, bracket, mark in zip(row.cells, intervals, brackets, marks, strict=True):
                fields += _csv_fields(cell, interval)
                fields += ["" if cell.ahead is None else f"{cell.ahead:.6g}", cell.ahead_spread] * bracket
                fields += ["yes" if cell.disturbed else ""] * mark
            missing = "; ".join(dict.fromkeys(cell.reason for cell in row.cells if cell.reason))
            writer.writerow(map(_harmless, [*fields, missing, " ".join(row.runs)]))
    return stream.getvalue()


def _csv_fields(cell: Cell, interval: bool) -> list[str]:
    shown = cell.text if cell.number is None else f"{cell.number:.6g}"
    ends = ["" if end is None else f"{end:.6g}" for end in (cell.low, cell.high)]
    return [shown, *ends] if interval else [shown]


def _harmless(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
