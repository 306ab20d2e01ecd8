"""The form of a table for a paper: compact floats that compile in classes of one and of two columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from bench.config.parsing import Description, Name, read_yaml, suggestion, validated
from models.errors import InputError
from reports.writers.citations import cite_data, keys_of
from reports.writers.escaping import latex, latex_breakable
from reports.writers.latex import as_floats, is_long, latex_notes, parts_of
from reports.writers.table import Block, Cell, Row, Table

COLUMN_CHARACTERS = 58
"""Characters that fit one column of a two-column page at ``footnotesize``."""

NEEDS = r"% Needs \usepackage{booktabs,graphicx,multirow,siunitx} and \usepackage[T1]{fontenc}."
SHORT_LEGEND = {
    "†": " oracle (ground-truth pose)",
    "‡": " ground-truth trajectory given",
    "§": " action label given",
}
MARKS = re.compile("[†‡§*]")


class PaperTable(Description):
    """What of a table a paper prints, and how.

    Attributes:
        caption: in place of the title.
        rows: names of the first column, in the order to print them; none: all.
        aggregations, metrics: those to print, by the names in the table; none: all.
        columns: headings of those to print behind the first one; none: all.
        reported: with what papers report.
        differences: with the brackets behind the proposed method.
        intervals: with ± behind a number; a difference always has it.
        decimals: of errors and their intervals; costs keep their significant digits.
        conditions: all paragraphs, one short note, or none.
        citations: with ``\\cite`` behind methods and data sets that ``references.bib`` has.
    """

    caption: str = ""
    rows: tuple[Name, ...] = ()
    aggregations: tuple[Name, ...] = ()
    metrics: tuple[Name, ...] = ()
    columns: tuple[Name, ...] = ()
    reported: bool = False
    differences: bool = False
    intervals: bool = True
    decimals: Annotated[int, Field(ge=0, le=4)] | None = None
    conditions: Literal["full", "short", "none"] = "short"
    citations: bool = True


COMPLETE = PaperTable(reported=True, differences=True, conditions="full", citations=False)
"""Everything, in floats."""


def read_paper(path: Path) -> dict[str, PaperTable]:
    """Name of a table → how a paper prints it, from a YAML file.

    Raises:
        InputError: it cannot be read, or is no such mapping.
    """
    content = read_yaml(path)
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path}: has no tables; write the name of a table and below it what to print")
    return {str(name): validated(PaperTable, chosen or {}, f"{path}: {name}") for name, chosen in content.items()}


def to_paper(table: Table, label: str, choice: PaperTable) -> str:
    """``table``, or ``table*`` where it is wide; one float for every ``writers.latex.LONG`` lines.

    The notes of the table stand as comments over it: the author sees them, whatever is printed.

    Raises:
        InputError: a row, aggregation, metric or column that the table does not have.
    """
    shown = chosen(table, choice, label)
    full = choice.conditions == "full"
    letters = shown.reasons() if full else {}
    cited = keys_of(row.cells[0].text for row in shown.rows()) if choice.citations else {}
    parts = parts_of(shown, letters, not is_long(shown), cited)
    fewer = sum(1 for _ in shown.rows()) < sum(1 for _ in table.measured().rows())
    below = latex_notes(shown) if full else _short_notes(shown, fewer) * (choice.conditions == "short")
    environment = "table*" if shown.width() > COLUMN_CHARACTERS else "table"
    comments = [NEEDS, *(f"% {' '.join(note.split())}" for note in shown.notes)]
    caption = latex_breakable(shown.title)
    if choice.citations:
        caption, below = cite_data(caption), [cite_data(paragraph) for paragraph in below]
    return "\n".join([*comments, *as_floats(environment, caption, label, parts, below)]) + "\n"


def chosen(table: Table, choice: PaperTable, name: str) -> Table:
    """The table with the rows and columns of a choice.

    Raises:
        InputError: it has none of a row, aggregation, metric or column that is asked for.
    """
    if not choice.reported:
        table = table.measured()
    table = _with_columns(table, choice.columns, name)
    table = _with_metrics(table, choice.metrics, name)
    table = _filtered(table, choice.aggregations, "aggregation", name)
    table = _in_order(table, choice.rows, name)
    return _printed(replace(table, title=choice.caption or table.title), choice)


def _with_columns(table: Table, asked: Sequence[str], name: str) -> Table:
    if not asked:
        return table
    names = [{column.header, column.full_name, column.spanner} for column in table.columns]
    _refuse_unknown(asked, "column", name, [n for its in names for n in its if n])
    places = [n for one in asked for n, its in enumerate(names) if one in its and n > 0]
    return table.with_columns([0, *dict.fromkeys(places)])


def _with_metrics(table: Table, asked: Sequence[str], name: str) -> Table:
    """The table with the asked columns of errors, or, where columns are something else, with the asked rows."""
    errors = [n for n in range(len(table.columns)) if any(cell.decimals is not None for cell in table.column(n))]
    metrics = {n: re.sub("^Δ | [↑↓]$", "", table.columns[n].header) for n in errors}
    if not set(asked) & set(metrics.values()):
        return _filtered(table, asked, "metric", name)
    _refuse_unknown(asked, "metric", name, metrics.values())
    places = range(len(table.columns))
    return table.with_columns([n for n in places if n not in metrics or metrics[n] in asked])


def _filtered(table: Table, asked: Sequence[str], what: str, name: str) -> Table:
    """The table with the rows of which a text, or a word of the heading, is asked for."""
    if not asked:
        return table
    known = [word for block in table.blocks for row in block.rows for word in _words(table, block, row)]
    _refuse_unknown(asked, what, name, known)
    return table.with_rows(lambda block: (row for row in block.rows if _words(table, block, row) & set(asked)))


def _words(table: Table, block: Block, row: Row) -> set[str]:
    """What the texts of a row and the words of its heading say."""
    texts = [cell.text for cell, column in zip(row.cells, table.columns, strict=True) if column.align == "l"]
    return {MARKS.sub("", text) for text in [*texts, *re.split("[ ,:;()]+", block.heading)] if text}


def _in_order(table: Table, asked: Sequence[str], name: str) -> Table:
    """Rows in the order in which they are asked for; a name stands for all rows that begin with it as a word."""
    if not asked:
        return table

    def named(text: str, one: str) -> bool:
        return text == one or text.startswith((f"{one} ", f"{one},"))

    def place(row: Row) -> int:
        text = MARKS.sub("", row.cells[0].text)
        return next((n for n, one in enumerate(asked) if named(text, one)), -1)

    known = [MARKS.sub("", row.cells[0].text) for row in table.rows()]
    unknown = [one for one in asked if not any(named(text, one) for text in known)]
    _refuse_unknown(unknown, "row", name, known)
    return table.with_rows(lambda block: sorted((row for row in block.rows if place(row) >= 0), key=place))


def _refuse_unknown(asked: Iterable[str], what: str, name: str, known: Iterable[str]) -> None:
    """Refuse what a table does not have."""
    names = list(dict.fromkeys(known))
    for one in asked:
        if one not in names:
            raise InputError(f"table {name} has no {what} {one!r}: {suggestion(one, names)}")


def _printed(table: Table, choice: PaperTable) -> Table:
    """The table with its numbers as a choice prints them."""

    def printed(cell: Cell) -> Cell:
        if choice.decimals is not None and cell.decimals is not None and cell.number is not None:
            cell = _rounded(cell, cell.number, choice.decimals)
        if not choice.intervals and not cell.text.startswith(("+", "−", "(")):
            cell = replace(cell, spread="")
        return cell if choice.differences else replace(cell, ahead=None, ahead_spread="")

    return table.with_rows(
        lambda block: (replace(row, cells=tuple(map(printed, row.cells))) for row in block.rows)
    )


def _rounded(cell: Cell, number: float, decimals: int) -> Cell:
    signed = cell.text.lstrip("(")[:1] in ("+", "−")
    text = f"{number:+.{decimals}f}" if signed else f"{number:.{decimals}f}"
    text = f"({text})" if cell.text.startswith("(") else text
    spread = ""
    if cell.spread and cell.low is not None and cell.high is not None:
        spread = f"{max(cell.high - number, number - cell.low, 0.0):.{decimals}f}"
    return replace(cell, text=text.replace("-", "−"), spread=spread)


def _short_notes(table: Table, fewer: bool) -> list[str]:
    """Marks in a few words, then the conditions as one note.

    Args:
        fewer: there are measured rows that are not printed.
    """
    cells = [cell for row in table.rows() for cell in row.cells]
    printed = " ".join(table.texts())
    words = [f"{mark}{text}" for mark, text in SHORT_LEGEND.items() if mark in printed]
    words += ["±: 95 % interval"] * any(cell.spread for cell in cells)
    ranked = any(cell.rank or cell.tie for cell in cells)
    words += ["bold: best, underlined: second; an assisted or oracle aggregation by itself"] * ranked
    untested = any((cell.rank or cell.tie) and not cell.spread for cell in cells)
    words += ["numbers without ± are ranked by their order alone, untested"] * untested
    words += ["≈: not distinguishable from the best"] * any(cell.tie for cell in cells)
    words += ["best and second are of all methods measured, also of those not shown"] * (ranked and fewer)
    words += ["in parentheses: not distinguishable from 0"] * any(cell.text.startswith("(") for cell in cells)
    words += ["in brackets: minus the best other method"] * any(cell.ahead is not None for cell in cells)
    words += ["*: time disturbed"] * any(cell.disturbed for cell in cells)
    words += ["reported: by the papers, of other data, not comparable"] * any(c.reported for c in table.columns)
    words += ["--: not available"] * any(cell.reason for cell in cells)
    said = f"{'; '.join(words)}." if words else ""
    conditions = f"{table.terms} {table.short(table)}".strip()
    text = f"{latex(said)} {latex_breakable(conditions)}".strip()
    return [f"{text[:1].upper()}{text[1:]}\\par"] if text else []
