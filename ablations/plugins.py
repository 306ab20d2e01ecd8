"""Places in declared ablations that the methods of other packages take."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from bench.config.registry import METHODS

METHOD = "method.name"
EVERY, SAMPLING = "plugins", "sampling plugins"


def with_plugins(key: str, values: Iterable[Any]) -> tuple[Any, ...]:
    """The values of an axis, or further experiments, with one for each plug-in in a place kept for them.

    Args:
        key: of the axis; "" for further experiments.
        values: of which some may name ``EVERY`` or ``SAMPLING`` (methods with hypotheses) as the method.
    """
    return tuple(itertools.chain.from_iterable(_filled(key, value) for value in values))


def _filled(key: str, value: Any) -> list[Any]:
    several = isinstance(value, dict)
    place = value.get(METHOD) if several else value if key == METHOD else None
    if place not in (EVERY, SAMPLING):
        return [value]
    names = METHODS.plugin_names()
    if place == SAMPLING:
        names = [name for name in names if METHODS.load(name).probabilistic]
    return [value | {METHOD: name} for name in names] if several else list(names)
