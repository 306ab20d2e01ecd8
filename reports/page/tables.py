"""Tables as the page has them: HTML, whose rows its scripts sort, filter and save."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reports.writers.html import TEMPLATES
from reports.writers.table import Table, notes


def table_view(table: Table, logged: Mapping[str, str], choices: Sequence[str] = ()) -> str:
    """A table with its controls above and its notes below.

    Args:
        logged: id of every run that the page has a record of → its MLflow run.
        choices: columns to filter by value.
    """
    headers = table.headers
    conditions = ("; ".join(filter(None, (block.section, block.heading))) for block in table.blocks)
    found = [("Conditions", 0, list(filter(None, dict.fromkeys(conditions))))]
    for name in choices:
        place = headers.index(name)
        found.append((name, place + 1, _values(name, (cell.text for cell in table.column(place)))))
    selections = [selection for selection in found if len(selection[2]) > 1]
    template = TEMPLATES.get_template("page/table.html")
    return template.render(table=table, selections=selections, logged=logged, notes=notes(table))


def _values(name: str, texts: Iterable[str]) -> list[str]:
    """What there is to choose from, numbers first; a run may belong to several ablations."""
    found = {part for text in texts for part in (text.split(", ") if name == "Ablation" else [text]) if part}
    return sorted(found, key=lambda text: (not text.isdecimal(), int(text) if text.isdecimal() else text.lower()))
