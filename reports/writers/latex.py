"""The LaTeX form of a table: booktabs rules, decimals aligned by siunitx, repeated names by multirow."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports.writers.escaping import latex, latex_breakable
from reports.writers.table import Cell, Column, Table, bracket_of, notes, walk

LONG = 50
"""Tables of more rows and headings than this are printed over several pages (``longtable``)."""

PAGE_LINES, NOTE_CHARACTERS = 68, 150
"""Lines of a page, and characters of a line under a table."""

PAGE_CHARACTERS = 105
"""Characters that fit a page at ``scriptsize``; longer tables that are wider are turned."""

COLUMN_CHARACTERS = 58
"""Characters that fit one column of a two-column page at ``footnotesize``."""

PLAIN = re.compile(r"−?[0-9,]+(\.[0-9]+)?")
"""A number that siunitx can align."""


def is_long(table: Table) -> bool:
    """Whether a table with its notes takes more than a page; it is printed over several then, not as a float."""
    lines = sum(1 for _ in walk(table))
    return lines > LONG or lines + sum(map(len, notes(table))) / NOTE_CHARACTERS > PAGE_LINES


def to_latex(table: Table, label: str) -> str:
    """A float (``table`` or ``table*`` by its width), or a ``longtable`` when it is longer than a page.

    Needs booktabs, graphicx, multirow and siunitx (for a ``longtable`` that package and lscape), and T1 fonts. A
    float wider than the page is scaled down to it; a ``longtable`` that is too wide is turned.
    """
    looks = [_look(column, table.column(index)) for index, column in enumerate(table.columns)]
    body = _latex_body(table, looks)
    specification = "".join(look.type for look in looks)
    head = [
        f"\\caption{{{latex_breakable(table.title)}}}",
        f"\\label{{tab:{label}}}",
    ]
    if is_long(table):
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


@dataclass(frozen=True)
class _Look:
    """How the cells of a column are printed.

    Attributes:
        type: of the column in LaTeX; S with a format where siunitx aligns its numbers.
        spread: digits of the longest ±.
        tie: whether a cell has the mark of a tie.
        bracket: the longest difference in brackets.
    """

    type: str
    spread: int
    tie: bool
    bracket: str

    @property
    def aligned(self) -> bool:
        return self.type.startswith("S")


def _look(column: Column, cells: Sequence[Cell]) -> _Look:
    marked = any(cell.spread or cell.rank or cell.tie or cell.ahead is not None for cell in cells)
    return _Look(
        type=column.align if marked or column.align == "l" else _decimals(cells) or column.align,
        spread=max((len(cell.spread) for cell in cells), default=0),
        tie=any(cell.tie for cell in cells),
        bracket=max(map(bracket_of, cells), key=len, default=""),
    )


def _decimals(cells: Sequence[Cell]) -> str:
    """The type of a column of numbers with decimals; "" for any other."""
    numbers = [cell.text.replace(",", "") for cell in cells if PLAIN.fullmatch(cell.text)]
    if not any("." in number for number in numbers):
        return ""
    whole, decimals = zip(*(number.partition(".")[::2] for number in numbers), strict=True)
    sign = "-" * any(number.startswith("−") for number in numbers)
    digits = max(len(part.lstrip("−")) for part in whole)
    return f"S[table-format={sign}{digits}.{max(map(len, decimals))}]"


def _latex_body(table: Table, looks: Sequence[_Look]) -> list[str]:
    reasons = table.reasons()
    repeats = iter(_repeats(table))
    lines: list[str] = []
    previous = ""
    for level, text, row in walk(table):
        if row is None:
            if lines and previous == "row":
                lines.append("\\midrule" if level == "section" else "\\addlinespace")
            font = "\\textbf" if level == "section" else "\\textit"
            lines.append(f"\\multicolumn{{{len(looks)}}}{{@{{}}l}}{{{font}{{{latex(text)}}}}} \\\\")
        else:
            cells = [_latex_cell(cell, look, reasons) for cell, look in zip(row.cells, looks, strict=True)]
            times = next(repeats)
            if times != 1:
                cells[0] = f"\\multirow[t]{{{times}}}{{*}}{{{cells[0]}}}" if times else ""
            lines.append(" & ".join(cells) + " \\\\")
        previous = level
    return lines


def _repeats(table: Table) -> list[int]:
    """For every row: how many rows from it on have its name; 0 where the row above had it already.

    Every row has its own name where the table may be broken over pages, and where names are numbers.
    """
    if is_long(table) or table.columns[0].align == "r":
        return [1] * sum(1 for _ in table.rows())
    times: list[int] = []
    for block in table.blocks:
        for _, members in itertools.groupby(row.cells[0].text for row in block.rows):
            count = len(list(members))
            times += [count, *[0] * (count - 1)]
    return times


def _latex_cell(cell: Cell, look: _Look, reasons: dict[str, str]) -> str:
    """A cell, padded on the right like the widest one of its column, so that digits stay aligned."""
    if cell.reason:
        dash = f"--\\textsuperscript{{{reasons[cell.reason]}}}"
        return dash if look.type == "l" else f"\\multicolumn{{1}}{{c}}{{{dash}}}"
    if look.aligned:
        plain = PLAIN.fullmatch(cell.text)
        return cell.text.replace(",", "").replace("−", "-") if plain else f"{{{latex(cell.text)}}}"
    text = latex(cell.text)
    if cell.rank:
        text = f"\\textbf{{{text}}}" if cell.rank == 1 else f"\\underline{{{text}}}"
    if cell.spread:
        padding = "0" * (look.spread - len(cell.spread))
        padding = f"\\phantom{{{padding}}}" if padding else ""
        text += f"{{\\scriptsize$\\,\\pm$\\,{padding}{latex(cell.spread)}}}"
    if cell.tie:
        text += "$^{\\approx}$"
    elif look.tie and cell.text:
        text += "\\hphantom{$^{\\approx}$}"
    if look.bracket and cell.text:
        shown = f"{{\\scriptsize\\,{latex(bracket_of(cell) or look.bracket)}}}"
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
    missing = [f"\\textsuperscript{{{letter}}}{latex_breakable(why)}." for why, letter in table.reasons().items()]
    opening = " ".join([f"{first}."] * bool(first) + missing + [latex_breakable(note) for note in table.notes])
    paragraphs = [opening] if opening else []
    paragraphs += [latex_breakable(paragraph) for paragraph in table.conditions]
    return [f"{paragraph}\\par" for paragraph in paragraphs]
