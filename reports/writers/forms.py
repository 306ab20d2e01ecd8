"""The forms in which a table is written, by the ending of its file."""

from __future__ import annotations

from collections.abc import Iterable

from models.errors import InputError
from reports.writers.csv import to_csv
from reports.writers.html import to_html
from reports.writers.markdown import to_markdown
from reports.writers.paper import COMPLETE, PaperTable, to_paper
from reports.writers.table import Table

FORMS = ("tex", "csv", "md", "html")
DEFAULT_FORMS = ("tex", "csv", "md")


def forms_of(text: str) -> tuple[str, ...]:
    """The forms named in ``--format``, as in "md,html".

    Raises:
        InputError: one of them is not known.
    """
    forms = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [form for form in forms if form not in FORMS]
    if unknown or not forms:
        what = repr(unknown[0]) if unknown else "nothing"
        raise InputError(f"--format {text}: names {what}; a table can be {', '.join(FORMS)}")
    return forms


def texts(table: Table, name: str, forms: Iterable[str], paper: PaperTable = COMPLETE) -> dict[str, str]:
    """Name of a file → its content, one for each form; ``paper``: what the one in LaTeX prints."""
    writers = {
        "tex": lambda table: to_paper(table, name, paper),
        "csv": to_csv,
        "md": to_markdown,
        "html": to_html,
    }
    return {f"{name}.{form}": writers[form](table) for form in forms}
