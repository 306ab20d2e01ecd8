"""A table as plain text, for a terminal."""

from __future__ import annotations

from reports.writers.table import Cell, Table, bracket_of, walk

FIRST = 2
"""Columns that name a row and are never left out."""


def to_text(table: Table, width: int = 100) -> str:
    """Title, headings and the rows that have runs; published numbers and notes stand in the other forms.

    Where that is wider than ``width``, columns that describe a row are left out from the third on, then the last.
    """
    table = table.measured()
    rows = [(text, row) for _, text, row in walk(table)]
    headings = table.headers
    cells = [[_text(cell) for cell in row.cells] for _, row in rows if row is not None]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    shown = list(range(len(widths)))
    while len(shown) > FIRST + 1 and sum(widths[n] + 2 for n in shown) - 2 > width:
        describing = [n for n in shown[FIRST:] if not table.columns[n].spanner]
        shown.remove((describing or shown[-1:])[0])

    def line(texts: list[str]) -> str:
        aligned = [
            texts[n].ljust(widths[n]) if table.columns[n].align == "l" else texts[n].rjust(widths[n])
            for n in shown
        ]
        return "  ".join(aligned).rstrip()

    lines = [table.title, line(headings)]
    for text, row in rows:
        lines.append(f"  {text}" if row is None else line([_text(cell) for cell in row.cells]))
    return "\n".join(lines)


def _text(cell: Cell) -> str:
    if cell.reason:
        return "–"
    spread = f" ± {cell.spread}" * bool(cell.spread)
    best = " best" * (cell.rank == 1)
    return f"{cell.text}{spread}{' ≈' * cell.tie}{'*' * cell.disturbed} {bracket_of(cell)}".rstrip() + best
