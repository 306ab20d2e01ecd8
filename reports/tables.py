"""A table as data, and its three printed forms: LaTeX (booktabs), Markdown and CSV, all from the same cells.

Text in cells is plain Unicode; each form escapes it for itself. A table knows nothing of runs: what stands in it
and what is comparable is decided in ``reports.layouts``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from reports.escaping import latex, latex_breakable, markdown

LONG = 50
"""Tables of more rows and headings than this are printed over several pages (``longtable``)."""

PAGE_CHARACTERS = 105
"""Characters that fit a page at ``scriptsize``; longer tables that are wider are turned."""

COLUMN_CHARACTERS = 58
"""Characters that fit one column of a two-column page at ``footnotesize``."""

LEGEND = {
    "†": "† oracle: the ground-truth pose chose the hypothesis, not available when deployed",
    "‡": "‡ assisted: the ground-truth root trajectory was given",
    "§": "§ the ground-truth action label was given at test time",
}
BOLD = "bold: best, underlined: second, each among numbers of equal conditions and equal use of ground truth"
TIE = "≈ not distinguishable from the best: the 95 % interval of the difference, take by take, holds 0"
AHEAD = "in brackets: minus the best other method of equal conditions and equal use of ground truth"
SPREAD = (
    "±: larger distance from the value to an end of its 95 % interval (bootstrap over takes, and over seeds where "
    "several were run)"
)


@dataclass(frozen=True)
class Cell:
    """One entry. ``text`` is what is printed; an entry with a ``reason`` is missing and prints a dash.

    Attributes:
        number, low, high: the unrounded value and its 95 % interval, for ranking and for CSV.
        spread: printed after ±.
        rank: 1 best, 2 second, 0 neither.
        tie: not distinguishable from the best.
        ahead: the number minus that of the best baseline, printed in brackets.
        origin: what the number was read from, for whoever compares cells.
    """

    text: str = ""
    number: float | None = None
    low: float | None = None
    high: float | None = None
    spread: str = ""
    rank: int = 0
    tie: bool = False
    ahead: float | None = None
    reason: str = ""
    origin: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Column:
    """``spanner``: a heading that stands over all neighbouring columns with the same one."""

    header: str
    spanner: str = ""
    align: Literal["l", "r"] = "r"

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
    """Rows under a heading. Consecutive blocks with the same ``section`` share that larger heading."""

    rows: tuple[Row, ...]
    heading: str = ""
    section: str = ""


@dataclass(frozen=True)
class Table:
    """``conditions``: paragraphs printed under the table; ``notes``: further sentences of the layout."""

    title: str
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    conditions: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for row in self.rows():
            assert len(row.cells) == len(self.columns), f"{self.title}: a row is not as long as the header"

    def rows(self) -> Iterator[Row]:
        for block in self.blocks:
            yield from block.rows

    def column(self, index: int) -> list[Cell]:
        return [row.cells[index] for row in self.rows()]

    def width(self) -> int:
        """Estimated width in characters."""
        return sum(
            max([len(column.header), *(_length(cell) for cell in self.column(index))]) + 2
            for index, column in enumerate(self.columns)
        )

    def reasons(self) -> dict[str, str]:
        """Reason why a cell is missing → the letter of its footnote."""
        found = dict.fromkeys(cell.reason for row in self.rows() for cell in row.cells if cell.reason)
        return {reason: _letter(index) for index, reason in enumerate(found)}

    def legend(self) -> list[str]:
        """What the marks that occur in this table mean."""
        cells = [cell for row in self.rows() for cell in row.cells]
        printed = "".join([cell.text for cell in cells] + [column.full_name for column in self.columns])
        printed += "".join(block.heading for block in self.blocks)
        lines = [text for mark, text in LEGEND.items() if mark in printed]
        lines += [SPREAD] * any(cell.spread for cell in cells)
        lines += [BOLD] * any(cell.rank for cell in cells)
        lines += [TIE] * any(cell.tie for cell in cells)
        lines += [AHEAD] * any(cell.ahead is not None for cell in cells)
        return lines


def to_latex(table: Table, label: str) -> str:
    """A float (``table`` or ``table*`` by its width), or a ``longtable`` when it is longer than a page.

    Needs booktabs and graphicx (for a ``longtable`` that package and lscape), and T1 fonts. A float wider than the
    page is scaled down to it; a ``longtable`` that is too wide is turned.
    """
    body = _latex_body(table)
    specification = "".join(column.align for column in table.columns)
    head = [
        f"\\caption{{{latex(table.title)}}}",
        f"\\label{{tab:{label}}}",
    ]
    if sum(1 for _ in _walk(table)) > LONG:
        return _latex_long(table, head, specification, body)
    environment = "table*" if table.width() > COLUMN_CHARACTERS else "table"
    lines = [
        f"\\begin{{{environment}}}[htbp]",
        "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
        *head,
        "\\par\\smallskip",
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"\\begin{{tabular}}{{@{{}}{specification}@{{}}}}",
        "\\toprule",
        *_latex_header(table),
        "\\midrule",
        *body,
        "\\bottomrule",
        "\\end{tabular}}",
        "\\par\\smallskip",
        "\\begin{minipage}{\\linewidth}\\scriptsize\\raggedright",
        *_latex_notes(table),
        "\\end{minipage}",
        f"\\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def to_markdown(table: Table) -> str:
    """A heading, the table, and its conditions as a list."""
    reasons = table.reasons()
    lines = [f"### {markdown(table.title)}", ""]
    lines.append("| " + " | ".join(markdown(column.full_name) for column in table.columns) + " |")
    lines.append("|" + "|".join("---:" if column.align == "r" else ":---" for column in table.columns) + "|")
    for level, text, row in _walk(table):
        if row is None:
            emphasis = "**" if level == "section" else "*"
            cells = [f"{emphasis}{markdown(text)}{emphasis}"] + [""] * (len(table.columns) - 1)
        else:
            cells = [_markdown_cell(cell, reasons) for cell in row.cells]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    lines += [f"- {markdown(note)}" for note in _notes(table)]
    return "\n".join(lines) + "\n"


def to_csv(table: Table) -> str:
    """One line per row: section, group, every column (unrounded, with low and high), notes, ids of the runs."""
    cells = [table.column(index) for index in range(len(table.columns))]
    intervals = [any(cell.low is not None for cell in column) for column in cells]
    brackets = [any(cell.ahead is not None for cell in column) for column in cells]
    header = ["section", "group"]
    for column, interval, bracket in zip(table.columns, intervals, brackets, strict=True):
        header += [column.full_name]
        header += [f"{column.full_name} low", f"{column.full_name} high"] * interval
        header += [f"{column.full_name} minus best other"] * bracket
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*header, "missing", "runs"])
    for block in table.blocks:
        for row in block.rows:
            fields = [block.section, block.heading]
            for cell, interval, bracket in zip(row.cells, intervals, brackets, strict=True):
                fields += _csv_fields(cell, interval)
                fields += ["" if cell.ahead is None else f"{cell.ahead:.6g}"] * bracket
            missing = "; ".join(dict.fromkeys(cell.reason for cell in row.cells if cell.reason))
            writer.writerow([*fields, missing, " ".join(row.runs)])
    return stream.getvalue()


def _walk(table: Table) -> Iterator[tuple[str, str, Row | None]]:
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


def _notes(table: Table) -> list[str]:
    missing = [f"({letter}) {reason}" for reason, letter in table.reasons().items()]
    return [*table.legend(), *missing, *table.notes, *table.conditions]


def _latex_header(table: Table) -> list[str]:
    lines = []
    spans = _spans(table.columns)
    if any(text for text, _, _ in spans):
        lines.append(
            " & ".join(
                f"\\multicolumn{{{last - first + 1}}}{{c}}{{{latex(text)}}}" if text else "& " * (last - first)
                for text, first, last in spans
            )
            + " \\\\"
        )
        lines += [f"\\cmidrule(lr){{{first}-{last}}}" for text, first, last in spans if text]
    names = [
        latex(column.header) if column.align == "l" else f"\\multicolumn{{1}}{{c}}{{{latex(column.header)}}}"
        for column in table.columns
    ]
    return [*lines, " & ".join(names) + " \\\\"]


def _spans(columns: Sequence[Column]) -> list[tuple[str, int, int]]:
    """(spanner, first, last), columns counted from 1."""
    spans: list[tuple[str, int, int]] = []
    for number, column in enumerate(columns, start=1):
        if spans and spans[-1][0] == column.spanner:
            spans[-1] = (column.spanner, spans[-1][1], number)
        else:
            spans.append((column.spanner, number, number))
    return spans


def _latex_body(table: Table) -> list[str]:
    reasons = table.reasons()
    columns = [table.column(index) for index in range(len(table.columns))]
    spreads = [max((len(cell.spread) for cell in cells), default=0) for cells in columns]
    ties = [any(cell.tie for cell in cells) for cells in columns]
    brackets = [max(map(_ahead, cells), key=len, default="") for cells in columns]
    lines: list[str] = []
    previous = ""
    for level, text, row in _walk(table):
        if row is None:
            if lines and previous == "row":
                lines.append("\\midrule" if level == "section" else "\\addlinespace")
            font = "\\textbf" if level == "section" else "\\textit"
            lines.append(f"\\multicolumn{{{len(columns)}}}{{@{{}}l}}{{{font}{{{latex(text)}}}}} \\\\")
        else:
            cells = zip(row.cells, table.columns, spreads, ties, brackets, strict=True)
            lines.append(" & ".join(_latex_cell(*entry, reasons) for entry in cells) + " \\\\")
        previous = level
    return lines


def _latex_cell(cell: Cell, column: Column, spread: int, ties: bool, bracket: str, reasons: dict[str, str]) -> str:
    """Digits stay aligned: what stands right of them in other rows of the column is padded with its own width."""
    if cell.reason:
        dash = f"--\\textsuperscript{{{reasons[cell.reason]}}}"
        return f"\\multicolumn{{1}}{{c}}{{{dash}}}" if column.align == "r" else dash
    text = latex(cell.text)
    if cell.rank:
        text = f"\\textbf{{{text}}}" if cell.rank == 1 else f"\\underline{{{text}}}"
    if cell.spread:
        padding = "0" * (spread - len(cell.spread))
        padding = f"\\phantom{{{padding}}}" if padding else ""
        text += f"{{\\scriptsize$\\,\\pm$\\,{padding}{latex(cell.spread)}}}"
    if cell.tie:
        text += "$^{\\approx}$"
    elif ties and cell.text:
        text += "\\hphantom{$^{\\approx}$}"
    if bracket and cell.text:
        shown = f"{{\\scriptsize\\,{latex(_ahead(cell) or bracket)}}}"
        text += shown if cell.ahead is not None else f"\\hphantom{{{shown}}}"
    return text


def _latex_long(table: Table, head: list[str], specification: str, body: list[str]) -> str:
    header = [*_latex_header(table), "\\midrule"]
    turned = table.width() > PAGE_CHARACTERS
    lines = [
        *["\\begin{landscape}"] * turned,
        "{\\scriptsize\\setlength{\\tabcolsep}{3pt}",
        f"\\begin{{longtable}}{{@{{}}{specification}@{{}}}}",
        *head,
        "\\\\ \\toprule",
        *header,
        "\\endfirsthead",
        "\\toprule",
        *header,
        "\\endhead",
        "\\bottomrule",
        "\\endfoot",
        *body,
        "\\end{longtable}",
        "\\begin{raggedright}",
        *_latex_notes(table),
        "\\end{raggedright}}",
        *["\\end{landscape}"] * turned,
    ]
    return "\n".join(lines) + "\n"


def _latex_notes(table: Table) -> Iterable[str]:
    """Marks, missing cells and notes as one paragraph, then a paragraph for each set of conditions."""
    first = "; ".join(latex(line) for line in table.legend())
    missing = [f"\\textsuperscript{{{letter}}}{latex(why)}." for why, letter in table.reasons().items()]
    opening = " ".join([f"{first}."] * bool(first) + missing + [latex(note) for note in table.notes])
    paragraphs = [opening] if opening else []
    paragraphs += [latex_breakable(paragraph) for paragraph in table.conditions]
    return [f"{paragraph}\\par" for paragraph in paragraphs]


def _markdown_cell(cell: Cell, reasons: dict[str, str]) -> str:
    if cell.reason:
        return f"– ({reasons[cell.reason]})"
    text = markdown(cell.text)
    if cell.rank:
        text = f"**{text}**" if cell.rank == 1 else f"<u>{text}</u>"
    return text + f" ± {cell.spread}" * bool(cell.spread) + " ≈" * cell.tie + f" {_ahead(cell)}".rstrip()


def _csv_fields(cell: Cell, interval: bool) -> list[str]:
    shown = cell.text if cell.number is None else f"{cell.number:.6g}"
    ends = ["" if end is None else f"{end:.6g}" for end in (cell.low, cell.high)]
    return [shown, *ends] if interval else [shown]


def _ahead(cell: Cell) -> str:
    return "" if cell.ahead is None else f"({cell.ahead:+.1f})".replace("-", "−")


def _length(cell: Cell) -> int:
    return len(cell.text) + (len(cell.spread) + 1 if cell.spread else 0) + cell.tie + len(_ahead(cell))


def _letter(index: int) -> str:
    """0 → a, 25 → z, 26 → aa."""
    return (_letter(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)
