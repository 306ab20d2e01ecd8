"""A table as a page of HTML that refers to nothing."""

from __future__ import annotations

import html

from reports.writers.table import Cell, Table, bracket_of, notes

STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.45 system-ui,sans-serif;margin:2rem;max-width:75rem}"
    ".wide{overflow-x:auto}table{border-collapse:collapse}caption{text-align:left;font-weight:600;padding:.5rem 0}"
    "th,td{padding:.2rem .6rem;text-align:left;white-space:nowrap}.r{text-align:right}"
    "thead{border-top:2px solid;border-bottom:1px solid}tbody:last-of-type{border-bottom:2px solid}"
    "small{opacity:.75}ul{padding-left:1.2rem;font-size:.9em}"
)


def to_html(table: Table) -> str:
    """A page of its own that refers to nothing: the table, then its marks and conditions as a list."""
    reasons, below = table.reasons(), notes(table)
    right = [' class="r"' if column.align == "r" else "" for column in table.columns]
    heads = [
        f'<th scope="col"{place}>{html.escape(column.full_name)}</th>'
        for column, place in zip(table.columns, right, strict=True)
    ]
    lines = [f"<thead><tr>{''.join(heads)}</tr></thead>"]
    section = ""
    for block in table.blocks:
        lines.append("<tbody>")
        if block.section not in ("", section):
            section = block.section
            lines.append(_heading(f"<strong>{html.escape(section)}</strong>", len(table.columns)))
        if block.heading:
            lines.append(_heading(f"<em>{html.escape(block.heading)}</em>", len(table.columns)))
        for row in block.rows:
            cells = zip(row.cells, right, strict=True)
            entries = [f"<td{place}>{_cell(cell, reasons)}</td>" for cell, place in cells]
            lines.append(f"<tr>{''.join(entries)}</tr>")
        lines.append("</tbody>")
    title = html.escape(table.title)
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{title}</title>\n<style>{STYLE}</style>",
            f'<div class="wide" tabindex="0"><table>\n<caption>{title}</caption>',
            *lines,
            "</table></div>",
            *(["<ul>", *(f"<li>{html.escape(note)}" for note in below), "</ul>"] if below else []),
            "</html>\n",
        ]
    )


def _heading(text: str, columns: int) -> str:
    return f'<tr><th colspan="{columns}" scope="rowgroup">{text}</th></tr>'


def _cell(cell: Cell, reasons: dict[str, str]) -> str:
    if cell.reason:
        return f"–<sup>{reasons[cell.reason]}</sup>"
    text = html.escape(cell.text)
    if cell.rank:
        text = f"<strong>{text}</strong>" if cell.rank == 1 else f"<u>{text}</u>"
    spread = f" <small>± {html.escape(cell.spread)}</small>" if cell.spread else ""
    return text + spread + " ≈" * cell.tie + " *" * cell.disturbed + f" {bracket_of(cell)}".rstrip()
