"""A table as CSV, numbers unrounded."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence

from reports.writers.table import Cell, Table

_FORMULA = re.compile(r"\s*[=+@＝＋＠－-]|[\t\r\n]")
"""The beginning of a text that a spreadsheet takes for a formula and runs."""


def to_csv(table: Table) -> str:
    """One line per row: section, group, every column (unrounded, with low and high, and whether a time was
    disturbed), what is missing, ids of the runs.

    A text that a spreadsheet would run as a formula begins with an apostrophe, which makes it a text there.
    """
    columns = [_fields(column.full_name, table.column(index)) for index, column in enumerate(table.columns)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    header = ["section", "group", *(name for fields in columns for name in fields), "missing", "runs"]
    writer.writerow(map(_harmless, header))
    for block in table.blocks:
        for row in block.rows:
            texts = [of(cell) for cell, fields in zip(row.cells, columns, strict=True) for of in fields.values()]
            missing = "; ".join(dict.fromkeys(cell.reason for cell in row.cells if cell.reason))
            line = [block.section, block.heading, *texts, missing, " ".join(row.runs)]
            writer.writerow(map(_harmless, line))
    return stream.getvalue()


def _fields(name: str, cells: Sequence[Cell]) -> dict[str, Callable[[Cell], str]]:
    """Heading → text of a cell, for the fields of a column that any of its cells has."""
    fields: dict[str, Callable[[Cell], str]] = {name: lambda cell: _number(cell.number) or cell.text}
    if any(cell.low is not None for cell in cells):
        fields |= {f"{name} low": lambda cell: _number(cell.low), f"{name} high": lambda cell: _number(cell.high)}
    if any(cell.ahead is not None for cell in cells):
        fields[f"{name} minus best other"] = lambda cell: _number(cell.ahead)
        fields[f"{name} minus best other ±"] = lambda cell: cell.ahead_spread
    if any(cell.disturbed for cell in cells):
        fields[f"{name} disturbed"] = lambda cell: "yes" * cell.disturbed
    return fields


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:.6g}"


def _harmless(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
