"""Words that stand for several methods of the registry, where a declared ablation would name one.

A word is a group, ``every``, ``core`` or ``plugins``, alone or followed by ``with hypotheses``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from bench.config.registry import METHODS

METHOD = "method.name"
CORE = ("tcn", "mixste", "d3dp", "finepose")
"""The methods that the suite was made to compare; the longer sweeps are limited to them."""
GROUPS = ("every", "core", "plugins")
WITH_HYPOTHESES = " with hypotheses"
WORDS = (*GROUPS, *(group + WITH_HYPOTHESES for group in GROUPS))
OLD_WORDS = {"sampling plugins": "plugins with hypotheses"}


def with_methods_named(key: str, values: Iterable[Any]) -> tuple[Any, ...]:
    """The values of an axis, or further experiments, with a method's name in place of each word.

    Args:
        key: of the axis; "also" for further experiments.
        values: some may name one of ``WORDS`` as their method; such a value is repeated for each method.
    """
    return tuple(itertools.chain.from_iterable(_one_per_method(key, value) for value in values))


def methods_of(word: str) -> list[str]:
    """The methods that a word stands for, in the order of the registry.

    A method of another package that cannot be imported is left out with a warning.
    """
    group = word.removesuffix(WITH_HYPOTHESES)
    wanted = {"every": METHODS.names(), "core": CORE, "plugins": METHODS.plugin_names()}[group]
    found = [(name, lifter) for name, lifter in METHODS.available() if name in wanted]
    return [name for name, lifter in found if lifter.probabilistic or group == word]


def _one_per_method(key: str, value: Any) -> list[Any]:
    several_keys = isinstance(value, dict)
    word = value.get(METHOD) if several_keys else value if key == METHOD else None
    word = OLD_WORDS.get(word, word) if isinstance(word, str) else None
    if word not in WORDS:
        return [value]
    names = methods_of(word)
    return [value | {METHOD: name} for name in names] if several_keys else list(names)
