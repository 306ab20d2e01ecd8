"""Keys of citations of methods, from ``reports/references.bib``."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path

REFERENCES = Path(__file__).parents[1] / "references.bib"


def keys_of(names: Iterable[str]) -> dict[str, str]:
    """Name of a row → key, for rows whose first word is a method that has an entry."""
    known = _keys()
    found = {name: known.get(_plain(re.split(r"[ ,(§]", name)[0])) for name in names}
    return {name: key for name, key in found.items() if key}


@functools.cache
def _keys() -> dict[str, str]:
    """Key of an entry, and every other name in its field ``ids`` → the key."""
    found: dict[str, str] = {}
    for key, fields in re.findall(r"@\w+\{(\w+),(.*?)\n\}", REFERENCES.read_text(encoding="utf-8"), re.DOTALL):
        others = re.findall(r"\bids\s*=\s*\{(.*?)\}", fields)
        found |= dict.fromkeys([key, *(name for one in others for name in one.split(", "))], key)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
