"""A table as data. Each printed form of it is a module of this room.

Text in cells is plain Unicode; each form escapes it for itself. A table knows nothing of records: what stands in
it and what is comparable is decided in ``reports.tables``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

LEGEND = {
    "†": "† oracle: the ground-truth pose chose the hypothesis, not available when deployed",
    "‡": "‡ assisted: the ground-truth root trajectory was given",
    "§": "§ the ground-truth action label was given at test time",
}
BOLD = (
    "bold: best, underlined: second, each among numbers of equal conditions that use no ground-truth pose or "
    "trajectory, or of one assisted or oracle aggregation; a number without ± by its order alone, untested"
)
TIE = (
    "≈ not distinguishable from the best, by differences that are paired by take or subject and corrected for the "
    "choice of the best of a column (5 %)"
)
AHEAD = (
    "in brackets: minus the best other method among the same numbers, before rounding; ±: of this paired "
    "difference"
)
SPREAD = "±: larger distance from the value to an end of its 95 % interval (over what: under Conditions)"
DISTURBED = (
    "* timed while other processes used the machine or its clocks were held back (the conditions have the "
    "warning), or in passes that disagree by more than 20 %: "
)
MOST_NAMED = 12
"""Rows that are named behind it."""


@dataclass(frozen=True)
class Cell:
    """One entry. ``text`` is what is printed; an entry with a ``reason`` is missing and prints a dash.

    Attributes:
        number, low, high: the unrounded value and its 95 % interval, for ranking and for CSV.
        spread: printed after ±.
        rank: 1 best, 2 second, 0 neither.
        tie: not distinguishable from the best.
        ahead: the number minus that of the best baseline, printed in brackets.
        ahead_spread: of this difference, printed after ± there.
        ahead_differs: whether it differs from 0, corrected for the choice of the best.
        disturbed: a time that was measured while something else used the machine, or not the same in all passes;
            marked by "*".
        decimals: with which an error is printed; None for what is printed otherwise, as costs are.
        higher: higher is better, for ranking.
        runs: ids of the runs that the number was read from, where they are fewer than those of the row.
    """

    text: str = ""
    number: float | None = None
    low: float | None = None
    high: float | None = None
    spread: str = ""
    rank: int = 0
    tie: bool = False
    ahead: float | None = None
    ahead_spread: str = ""
    ahead_differs: bool = False
    disturbed: bool = False
    reason: str = ""
    decimals: int | None = field(default=None, compare=False)
    higher: bool = field(default=False, compare=False)
    runs: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        spanner: a heading that stands over all neighbouring columns with the same one.
        reported: its numbers are of papers, not measured.
    """

    header: str
    spanner: str = ""
    align: Literal["l", "r"] = "r"
    reported: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.spanner} {self.header}".strip()


@dataclass(frozen=True)
class Row:
    """``runs``: ids of the runs that the row's numbers come from."""

    cells: tuple[Cell, ...]
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """Rows under a heading. Consecutive blocks with the same ``section`` share that larger heading.

    Attributes:
        reported: its numbers are of papers, not measured.
    """

    rows: tuple[Row, ...]
    heading: str = ""
    section: str = ""
    reported: bool = False


@dataclass(frozen=True)
class Table:
    """What is printed.

    Attributes:
        conditions: paragraphs under the table, each a text or its sentences.
        notes: further sentences.
        short: makes the conditions of what a table shows one short note, for papers.
        terms: what a paper prints of the notes.
    """

    title: str
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    conditions: tuple[Sequence[str], ...] = ()
    notes: tuple[str, ...] = ()
    short: Callable[[Table], str] = field(default=lambda table: "", compare=False)
    terms: str = ""

    def __post_init__(self) -> None:
        for row in self.rows():
            assert len(row.cells) == len(self.columns), f"{self.title}: a row is not as long as the header"
        conditions = ([one] if isinstance(one, str) else one for one in self.conditions)
        object.__setattr__(self, "conditions", tuple(conditions))

    @property
    def headers(self) -> list[str]:
        """Full names of its columns."""
        return [column.full_name for column in self.columns]

    def rows(self) -> Iterator[Row]:
        for block in self.blocks:
            yield from block.rows

    def column(self, index: int) -> list[Cell]:
        return [row.cells[index] for row in self.rows()]

    def texts(self) -> Iterator[str]:
        """All that is printed above its notes, but for sections."""
        yield from self.headers
        for block in self.blocks:
            yield block.heading
            yield from (cell.text for row in block.rows for cell in row.cells)

    def width(self) -> int:
        """Estimated width in characters."""
        return sum(
            max([len(column.header), *(_length(cell) for cell in self.column(index))]) + 2
            for index, column in enumerate(self.columns)
        )

    def measured(self) -> Table:
        """Without what papers report."""
        places = [place for place, column in enumerate(self.columns) if not column.reported]
        found = self.with_columns(places) if len(places) < len(self.columns) else self
        return found.with_rows(lambda block: () if block.reported else block.rows)

    def with_columns(self, places: Sequence[int]) -> Table:
        """With these of its columns only."""
        return self.with_rows(
            lambda block: (replace(row, cells=tuple(row.cells[n] for n in places)) for row in block.rows),
            tuple(self.columns[n] for n in places),
        )

    def with_rows(
        self, rows: Callable[[Block], Iterable[Row]], columns: tuple[Column, ...] | None = None
    ) -> Table:
        """With other rows in each block, and perhaps other columns; blocks without rows are left out."""
        blocks = [replace(block, rows=tuple(rows(block))) for block in self.blocks]
        kept = tuple(block for block in blocks if block.rows)
        return replace(self, blocks=kept, columns=self.columns if columns is None else columns)

    def reasons(self) -> dict[str, str]:
        """Reason why a cell is missing → the letter of its footnote."""
        found = dict.fromkeys(cell.reason for row in self.rows() for cell in row.cells if cell.reason)
        return {reason: _letter(index) for index, reason in enumerate(found)}

    def legend(self) -> list[str]:
        """What the marks that occur in this table mean."""
        cells = [cell for row in self.rows() for cell in row.cells]
        printed = " ".join(self.texts())
        lines = [text for mark, text in LEGEND.items() if mark in printed]
        lines += [SPREAD] * any(cell.spread for cell in cells)
        lines += [BOLD] * any(cell.rank for cell in cells)
        lines += [TIE] * any(cell.tie for cell in cells)
        lines += [AHEAD] * any(cell.ahead is not None for cell in cells)
        return lines + [DISTURBED + self._disturbed()] * any(cell.disturbed for cell in cells)

    def _disturbed(self) -> str:
        """Names of the rows with disturbed times; with their heading where names are numbers."""
        named = dict.fromkeys(
            f"{block.heading} {row.cells[0].text}" if self.columns[0].align == "r" else row.cells[0].text
            for block in self.blocks
            for row in block.rows
            if any(cell.disturbed for cell in row.cells)
        )
        return ", ".join(list(named)[:MOST_NAMED]) + ", …" * (len(named) > MOST_NAMED)


def walk(table: Table) -> Iterator[tuple[str, str, Row | None]]:
    """Headings and rows in printed order: ("section" | "group", text, None) or ("row", "", row)."""
    section = ""
    for block in table.blocks:
        if block.section != section:
            section = block.section
            yield "section", section, None
        if block.heading:
            yield "group", block.heading, None
        for row in block.rows:
            yield "row", "", row


def notes(table: Table) -> list[str]:
    missing = [f"({letter}) {reason}" for reason, letter in table.reasons().items()]
    return [*table.legend(), *missing, *table.notes, *map(" ".join, table.conditions)]


def bracket_of(cell: Cell) -> str:
    spread = f" ± {cell.ahead_spread}" if cell.ahead_spread else ""
    return "" if cell.ahead is None else f"({cell.ahead:+.1f}{spread})".replace("-", "−")


def _length(cell: Cell) -> int:
    marks = (len(cell.spread) + 1 if cell.spread else 0) + cell.tie + cell.disturbed
    return max(len(cell.text) + marks, len(bracket_of(cell)))  # LaTeX prints brackets below the number


def _letter(index: int) -> str:
    """0 → a, 25 → z, 26 → aa."""
    return (_letter(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)
