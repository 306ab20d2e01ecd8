"""Citations of methods and data sets, from ``reports/references.bib``."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path

from reports.writers.escaping import latex

REFERENCES = Path(__file__).parents[1] / "references.bib"


def keys_of(names: Iterable[str]) -> dict[str, str]:
    """Name of a row → key, for rows whose first word is a method that has an entry."""
    known = {_plain(name): key for key, its in _entries("ids").items() for name in (key, *its)}
    found = {name: known.get(_plain(re.split(r"[ ,(§]", name)[0])) for name in names}
    return {name: key for name, key in found.items() if key}


def cite_data(text: str) -> str:
    """LaTeX with a citation behind the first mention of each data set that has an entry."""
    for key, names in _entries("dataset").items():
        for name in names:
            text = text.replace(latex(name), rf"{latex(name)}~\cite{{{key}}}", 1)
    return text


@functools.cache
def _entries(field: str) -> dict[str, list[str]]:
    """Key of an entry → the names in one of its fields."""
    entries = re.findall(r"@\w+\{(\w+),(.*?)\n\}", REFERENCES.read_text(encoding="utf-8"), re.DOTALL)
    return {
        key: [name for its in re.findall(rf"\b{field}\s*=\s*\{{(.*?)\}}", fields) for name in its.split(", ")]
        for key, fields in entries
    }


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
