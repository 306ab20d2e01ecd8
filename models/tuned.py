"""Recipes that were searched: what ``ablate tuning`` chose on validation subjects, from ``tuned.toml`` here.

An entry says what was chosen for a method and how (trials, seeds, errors, data, commit). A method without an entry
has the recipe that its file declares.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from models.lifter import Preset, Recipe

FILE = Path(__file__).with_name("tuned.toml")


def tuned(method: str, config: Any, declared: Recipe) -> Preset:
    """A preset with these values, and with those that were chosen for the method in their place.

    Args:
        method: its name in the registry.
        config: of the preset.
        declared: what it trains with where nothing was chosen.
    """
    entry = dict(entries().get(method, {}))
    entry.pop("provenance", None)
    options = entry.pop("options", {})
    return Preset(replace(config, **options), replace(declared, **entry))


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Method → its entry."""
    return tomllib.loads(FILE.read_text())
