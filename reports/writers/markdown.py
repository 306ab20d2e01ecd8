"""A table in GitHub-flavoured Markdown."""

from __future__ import annotations

from reports.writers.escaping import markdown
from reports.writers.table import Cell, Table, bracket_of, notes, walk


def to_markdown(table: Table) -> str:
    """A heading, the table, and its conditions as a list."""
    reasons = table.reasons()
    lines = [f"### {markdown(table.title)}", ""]
    lines.append("| " + " | ".join(markdown(column.full_name) for column in table.columns) + " |")
    lines.append("|" + "|".join("---:" if column.align == "r" else ":---" for column in table.columns) + "|")
    for level, text, row in walk(table):
        if row is None:
            emphasis = "**" if level == "section" else "*"
            cells = [f"{emphasis}{markdown(text)}{emphasis}"] + [""] * (len(table.columns) - 1)
        else:
            cells = [_markdown_cell(cell, reasons) for cell in row.cells]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    lines += [f"- {markdown(note)}" for note in notes(table)]
    return "\n".join(lines) + "\n"


def _markdown_cell(cell: Cell, reasons: dict[str, str]) -> str:
    if cell.reason:
        return f"– ({reasons[cell.reason]})"
    text = markdown(cell.text)
    if cell.rank:
        text = f"**{text}**" if cell.rank == 1 else f"<u>{text}</u>"
    marks = " ≈" * cell.tie + r" \*" * cell.disturbed
    return text + f" ± {cell.spread}" * bool(cell.spread) + marks + f" {bracket_of(cell)}".rstrip()
