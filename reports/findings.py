"""What the main tables say, in words that go no further than their marks and intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reports.rules.names import USES
from reports.writers.table import Block, Cell, Row, Table


def findings(tables: Iterable[Table]) -> list[str]:
    """One sentence or two for each column of errors, of the rows that use no ground truth at test time."""
    return [
        sentence
        for table in tables
        for block in table.blocks
        if block.heading == USES["none"] and any(row.runs for row in block.rows)
        for index in range(1, len(table.columns))
        if any(row.cells[index].decimals is not None for row in block.rows)
        for sentence in _of_column(table, block, index)
    ]


def _of_column(table: Table, block: Block, index: int) -> Iterator[str]:
    where = ", ".join(filter(None, (block.section, table.columns[index].full_name)))
    rows = [(row, row.cells[index]) for row in block.rows]
    best = [f"{_name(row)} ({_number(cell)})" for row, cell in rows if cell.rank == 1]
    if not best:
        yield f"{where}: nothing is ranked, as there is one number or the trainings may not be compared."
        return
    ties = [f"{_name(row)} ({_number(cell)})" for row, cell in rows if cell.tie]
    told = f"not distinguishable from it: {', '.join(ties)}" if ties else "no other ranked number ties with it"
    yield f"{where}: the best measured number is that of {', '.join(best)}; {told}."
    for row, cell in rows:
        if cell.ahead is not None:
            yield f"{where}: {_name(row)} minus the best other method is {_difference(cell)}."


def _name(row: Row) -> str:
    name, aggregation = row.cells[0].text, row.cells[1].text
    return name if aggregation == "single" else f"{name} {aggregation}"


def _number(cell: Cell) -> str:
    return f"{cell.text} ± {cell.spread}" if cell.spread else cell.text


def _difference(cell: Cell) -> str:
    """With its interval, and whether 0 is in it; without one nothing is said of it."""
    shown = f"{cell.ahead:+.1f}".replace("-", "−")
    if not cell.ahead_spread or cell.ahead is None:
        return f"{shown}, without an interval: nothing follows from it"
    within = abs(cell.ahead) <= float(cell.ahead_spread)
    which = "that holds 0: no difference is shown" if within else "without 0"
    return f"{shown} ± {cell.ahead_spread}, an interval {which}"
