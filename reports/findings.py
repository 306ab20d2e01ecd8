"""What the main tables say, in words that go no further than their marks and intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reports.rules.names import USES
from reports.writers.table import Cell, Row, Table


def findings(tables: Iterable[Table]) -> list[str]:
    """A sentence or two for each column of errors, of the rows that use no ground truth at test time.

    Columns in which nothing is ranked share a sentence.
    """
    columns = [
        (table, block, index)
        for table in tables
        for block in table.blocks
        if block.heading == USES["none"] and any(row.runs for row in block.rows)
        for index in range(1, len(table.columns))
        if any(row.cells[index].decimals is not None for row in block.rows)
    ]
    said: list[str] = []
    unranked: list[str] = []
    for table, block, index in columns:
        where = ", ".join(filter(None, (block.section, table.columns[index].full_name)))
        if any(row.cells[index].rank == 1 for row in block.rows):
            said += _of_column(where, [(row, row.cells[index]) for row in block.rows])
        else:
            unranked.append(where)
    why = "nothing is ranked, as there is one number or the trainings may not be compared"
    return said + [f"{', '.join(unranked)}: {why}."] * bool(unranked)


def _of_column(where: str, rows: Sequence[tuple[Row, Cell]]) -> Iterator[str]:
    best = [f"{_name(row)} ({_number(cell)})" for row, cell in rows if cell.rank == 1]
    ties = [f"{_name(row)} ({_number(cell)})" for row, cell in rows if cell.tie]
    told = f"not distinguishable from it: {', '.join(ties)}" if ties else "no other ranked number ties with it"
    unranked = [f"{_name(row)} ({_number(cell)})" for row, cell in rows if _is_better(cell, rows)]
    told += f"; not ranked, though better by number: {', '.join(unranked)}" * bool(unranked)
    yield f"{where}: the best ranked number is that of {', '.join(best)}; {told}."
    for row, cell in rows:
        if cell.ahead is not None:
            yield f"{where}: {_name(row)} minus the best other method is {_difference(cell)}."


def _is_better(cell: Cell, rows: Sequence[tuple[Row, Cell]]) -> bool:
    """Whether a number would be the best of its column, were it ranked: of one training beside several, say."""
    best = next(other.number for _, other in rows if other.rank == 1)
    if cell.number is None or best is None or cell.decimals is None or cell.rank:
        return False
    return cell.number > best if cell.higher else cell.number < best


def _name(row: Row) -> str:
    name, aggregation = row.cells[0].text, row.cells[1].text
    return name if aggregation == "single" else f"{name} {aggregation}"


def _number(cell: Cell) -> str:
    return f"{cell.text} ± {cell.spread}" if cell.spread else cell.text


def _difference(cell: Cell) -> str:
    """With its interval, and whether it is shown; without an interval nothing is said of it."""
    shown = f"{cell.ahead:+.1f}".replace("-", "−")
    if not cell.ahead_spread or cell.ahead is None:
        return f"{shown}, without an interval: nothing follows from it"
    which = "a difference is shown" if cell.ahead_differs else "no difference is shown"
    return f"{shown} ± {cell.ahead_spread}: corrected for the choice of the best, {which}"
