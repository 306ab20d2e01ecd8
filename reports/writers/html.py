"""A table as a page of HTML that refers to nothing."""

from __future__ import annotations

import math

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.writers.table import Cell, Table, bracket_of, notes

TEMPLATES = Environment(
    loader=PackageLoader("reports", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
"""Templates of all HTML. They escape every text that is put into them."""


def to_html(table: Table) -> str:
    """A page of its own that refers to nothing: the table, then its marks and conditions as a list."""
    return TEMPLATES.get_template("writers/standalone.html").render(table=table, notes=notes(table))


def _number(cell: Cell) -> str:
    """What was measured; "" where nothing was, or nothing finite."""
    return "" if cell.number is None or not math.isfinite(cell.number) else f"{cell.number:.6g}"


TEMPLATES.filters |= {"bracket": bracket_of, "measured": _number}
