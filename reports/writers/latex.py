"""The LaTeX form of a table: booktabs rules, decimals aligned by siunitx, repeated names by multirow."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from reports.writers.escaping import latex, latex_breakable
from reports.writers.table import Cell, Column, Table, bracket_of, notes, walk

LONG = 50
"""Lines of one float; tables of more rows and headings are several floats, or a ``longtable``."""

PAGE_LINES, NOTE_CHARACTERS = 68, 150
"""Lines of a page, and characters of a line under a table."""

PAGE_CHARACTERS, SCALED_CHARACTERS = 105, 150
"""Characters that fit a page at ``scriptsize``, and that can be read when they are scaled down to it."""

RULES = ("\\midrule", "\\addlinespace")
HEADING = "\\multicolumn"

CELL_CHARACTERS = 80
"""Characters of a cell; columns of text do not break lines."""

PLAIN = re.compile(r"−?[0-9,]+(\.[0-9]+)?")
"""A number that siunitx can align."""


def is_long(table: Table) -> bool:
    """Whether it has more lines than one float."""
    return sum(1 for _ in walk(table)) > LONG


def over_pages(table: Table) -> bool:
    """Whether it is no float: one of several would be too wide, or the notes need more than the page."""
    lines = min(LONG, sum(1 for _ in walk(table)))
    too_many_notes = lines + sum(map(len, notes(table))) / NOTE_CHARACTERS > PAGE_LINES
    return too_many_notes or (is_long(table) and table.width() > SCALED_CHARACTERS)


def to_latex(table: Table, label: str, reference: str = "") -> str:
    """The complete form, for the report: floats as in a paper, or a ``longtable`` where they would not do.

    Needs booktabs, graphicx, multirow and siunitx (for a ``longtable`` that package and lscape), and T1 fonts. A
    float wider than the page is scaled down to it; a ``longtable`` that is too wide is turned.

    Args:
        reference: LaTeX, printed below the notes.
    """
    parts = parts_of(table, table.reasons(), named_once=not is_long(table))
    notes_below = [*latex_notes(table), *([f"{reference}\\par"] if reference else [])]
    if over_pages(table):
        lines = _long(table, label, parts, notes_below)
    else:
        lines = as_floats("table", latex_breakable(table.title), label, parts, notes_below)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Parts:
    """Lines of a ``tabular``. ``specification``: the types of its columns."""

    specification: str
    header: list[str]
    body: list[str]


def parts_of(
    table: Table, letters: Mapping[str, str], named_once: bool, cited: Mapping[str, str] = MappingProxyType({})
) -> Parts:
    """The lines of a table.

    Args:
        letters: of the footnotes, by reason why a cell is missing.
        named_once: whether rows of one name that follow each other have it together.
        cited: name of a row → key of its citation.
    """
    formats = [_column_format(column, table.column(index)) for index, column in enumerate(table.columns)]
    body = _latex_body(table, formats, letters, named_once, cited)
    return Parts("".join(form.type for form in formats), _latex_header(table), body)


def as_floats(environment: str, caption: str, label: str, parts: Parts, below: Sequence[str]) -> list[str]:
    """One float, or one for every ``LONG`` rows under one number; ``below``: paragraphs under the last one.

    Caption and paragraphs are LaTeX.
    """
    chunks = _chunks(parts.body)
    lines = []
    for number, body in enumerate(chunks):
        head = [f"\\caption{{{caption}}}", f"\\label{{tab:{label}}}"]
        if number:
            head = [f"\\tablename~\\thetable: {caption} (continued)\\par"]  # no entry in the list of tables
        last = number == len(chunks) - 1
        lines += _float(environment, head, replace(parts, body=body), below if last else [])
    return lines


def _chunks(body: Sequence[str]) -> list[list[str]]:
    """Lines of the floats: none begins with a rule or ends with a heading."""
    if sum(line not in RULES for line in body) <= LONG:
        return [list(body)]
    chunks: list[list[str]] = [[]]
    for line in body:
        if len(chunks[-1]) >= LONG and not chunks[-1][-1].startswith(HEADING):
            chunks.append([])
        if chunks[-1] or line not in RULES:
            chunks[-1].append(line)
    return chunks


def _float(environment: str, head: Sequence[str], parts: Parts, below: Sequence[str]) -> list[str]:
    """A ``table`` or ``table*``, scaled down to the line where it is wider; ``below``: paragraphs under it."""
    noted = [
        "\\par\\smallskip",
        "\\begin{minipage}{\\linewidth}\\scriptsize\\raggedright",
        *below,
        "\\end{minipage}",
    ]
    return [
        f"\\begin{{{environment}}}[htbp]",
        "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
        *head,
        "\\par\\smallskip",
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"\\begin{{tabular}}{{@{{}}{parts.specification}@{{}}}}",
        "\\toprule",
        *parts.header,
        "\\midrule",
        *parts.body,
        "\\bottomrule",
        "\\end{tabular}}",
        *(noted if below else []),
        f"\\end{{{environment}}}",
    ]


def _latex_header(table: Table) -> list[str]:
    lines = []
    spans = _spans(table.columns)
    if any(text for text, _, _ in spans):
        cells = [
            f"\\multicolumn{{{last - first + 1}}}{{c}}{{{latex(text)}}}" if text else "& " * (last - first)
            for text, first, last in spans
        ]
        lines.append(" & ".join(cells) + " \\\\")
        lines += [f"\\cmidrule(lr){{{first}-{last}}}" for text, first, last in spans if text]
    names = [
        latex(column.header) if column.align == "l" else f"\\multicolumn{{1}}{{c}}{{{latex(column.header)}}}"
        for column in table.columns
    ]
    return [*lines, " & ".join(names) + " \\\\"]


def _spans(columns: Sequence[Column]) -> list[tuple[str, int, int]]:
    """(spanner, first, last), columns counted from 1."""
    spans, last = [], 0
    for spanner, members in itertools.groupby(column.spanner for column in columns):
        first, last = last + 1, last + len(list(members))
        spans.append((spanner, first, last))
    return spans


@dataclass(frozen=True)
class _ColumnFormat:
    """How the cells of a column are printed.

    Attributes:
        type: of the column in LaTeX; S with a format where siunitx aligns its numbers.
        spread: digits of the longest ±.
        marks: the longest that its cells have.
    """

    type: str
    spread: int
    marks: list[str]


def _column_format(column: Column, cells: Sequence[Cell]) -> _ColumnFormat:
    spread = max((len(cell.spread) for cell in cells), default=0)
    tie, disturbed = any(cell.tie for cell in cells), any(cell.disturbed for cell in cells)
    marks = _marks("0" * spread, tie, disturbed)
    marked = any(marks) or any(cell.rank or bracket_of(cell) for cell in cells)
    kind = column.align if marked or column.align == "l" else _decimals(cells) or column.align
    return _ColumnFormat(kind, spread, marks)


def _marks(spread: str, tie: bool, disturbed: bool) -> list[str]:
    """What stands behind a number: ±, tie and disturbed time, each "" where it is not there."""
    return [
        f"{{\\scriptsize$\\,\\pm$\\,{spread}}}" * bool(spread),
        "$^{\\approx}$" * tie,
        "$^{*}$" * disturbed,
    ]


def _decimals(cells: Sequence[Cell]) -> str:
    """The type of a column of numbers with decimals; "" for any other."""
    numbers = [cell.text.replace(",", "") for cell in cells if PLAIN.fullmatch(cell.text)]
    if not any("." in number for number in numbers):
        return ""
    whole, decimals = zip(*(number.partition(".")[::2] for number in numbers), strict=True)
    sign = "-" * any(number.startswith("−") for number in numbers)
    digits = max(len(part.lstrip("−")) for part in whole)
    return f"S[table-format={sign}{digits}.{max(map(len, decimals))}]"


def _latex_body(
    table: Table,
    formats: Sequence[_ColumnFormat],
    letters: Mapping[str, str],
    named_once: bool,
    cited: Mapping[str, str],
) -> list[str]:
    repeats = iter(_repeats(table, named_once))
    lines: list[str] = []
    previous = ""
    for level, text, row in walk(table):
        if row is None:
            if lines and previous == "row":
                lines.append("\\midrule" if level == "section" else "\\addlinespace")
            font = "\\textbf" if level == "section" else "\\textit"
            kind = "l" if len(text) <= PAGE_CHARACTERS else "p{\\linewidth}"  # which breaks lines
            shown = f"{font}{{{latex_breakable(text)}}}"
            lines.append(f"\\multicolumn{{{len(formats)}}}{{@{{}}{kind}}}{{{shown}}} \\\\")
        else:
            cells = [_latex_cell(cell, form, letters) for cell, form in zip(row.cells, formats, strict=True)]
            if row.cells[0].text in cited:
                cells[0] += f"~\\cite{{{cited[row.cells[0].text]}}}"
            times = next(repeats)
            if times != 1:
                cells[0] = f"\\multirow[t]{{{times}}}{{*}}{{{cells[0]}}}" if times else ""
            lines.append(" & ".join(cells) + " \\\\")
        previous = level
    return lines


def _repeats(table: Table, named_once: bool) -> list[int]:
    """For every row: how many rows from it on have its name; 0 where the row above had it already.

    Every row has its own name where the table may be broken over pages, and where names are numbers.
    """
    if not named_once or table.columns[0].align == "r":
        return [1] * sum(1 for _ in table.rows())
    times: list[int] = []
    for block in table.blocks:
        for _, members in itertools.groupby(row.cells[0].text for row in block.rows):
            count = len(list(members))
            times += [count, *[0] * (count - 1)]
    return times


def _latex_cell(cell: Cell, form: _ColumnFormat, letters: Mapping[str, str]) -> str:
    """A cell, padded on the right like the widest one of its column, so that digits stay aligned."""
    if cell.reason:
        dash = f"--\\textsuperscript{{{letters[cell.reason]}}}" if cell.reason in letters else "--"
        return dash if form.type == "l" else f"\\multicolumn{{1}}{{c}}{{{dash}}}"
    if form.type.startswith("S"):
        plain = PLAIN.fullmatch(cell.text)
        return cell.text.replace(",", "").replace("−", "-") if plain else f"{{{latex(cell.text)}}}"
    text = latex(_shortened(cell.text))
    if cell.rank:
        text = f"\\textbf{{{text}}}" if cell.rank == 1 else f"\\underline{{{text}}}"
    padding = "0" * (form.spread - len(cell.spread))
    spread = (f"\\phantom{{{padding}}}" * bool(padding) + latex(cell.spread)) * bool(cell.spread)
    marks = _marks(spread, cell.tie, cell.disturbed)
    room = (longest for mark, longest in zip(marks, form.marks, strict=True) if longest and not mark)
    text += "".join(marks) + "".join(f"\\hphantom{{{longest}}}" for longest in room) * bool(cell.text)
    bracket = bracket_of(cell)
    if not bracket:
        return text
    below = f"{{\\scriptsize {latex(bracket)}}}"  # beside the number it would make the column twice as wide
    return f"\\begin{{tabular}}[t]{{@{{}}r@{{}}}}{text}\\\\{below}\\end{{tabular}}"


def _shortened(text: str) -> str:
    """A text that a cell has room for: the middle of a long one is left out. The other forms have all of it."""
    half = CELL_CHARACTERS // 2
    return text if len(text) <= CELL_CHARACTERS else f"{text[:half]}…{text[-half:]}"


def _long(table: Table, label: str, parts: Parts, below: Sequence[str]) -> list[str]:
    header = [*parts.header, "\\midrule"]
    turned = table.width() > PAGE_CHARACTERS
    return [
        *["\\begin{landscape}"] * turned,
        "{\\scriptsize\\setlength{\\tabcolsep}{3pt}",
        f"\\begin{{longtable}}{{@{{}}{parts.specification}@{{}}}}",
        f"\\caption{{{latex_breakable(table.title)}}}",
        f"\\label{{tab:{label}}}",
        "\\\\ \\toprule",
        *header,
        "\\endfirsthead",
        "\\toprule",
        *header,
        "\\endhead",
        "\\bottomrule",
        "\\endfoot",
        *parts.body,
        "\\end{longtable}",
        "\\begin{raggedright}",
        *below,
        "\\end{raggedright}}",
        *["\\end{landscape}"] * turned,
    ]


def latex_notes(table: Table) -> list[str]:
    """Marks, missing cells and notes as one paragraph, then a paragraph for each set of conditions."""
    first = "; ".join(latex(line) for line in table.legend())
    missing = [f"\\textsuperscript{{{letter}}}{latex_breakable(why)}." for why, letter in table.reasons().items()]
    opening = " ".join([f"{first}."] * bool(first) + missing + [latex_breakable(note) for note in table.notes])
    paragraphs = [opening] if opening else []
    paragraphs += [latex_breakable(" ".join(paragraph)) for paragraph in table.conditions]
    return [f"{paragraph}\\par" for paragraph in paragraphs]
