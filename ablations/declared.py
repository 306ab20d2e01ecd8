"""Declared ablations: one YAML file here per table or figure, expanded into experiments.

A file holds::

    title: what the table shows
    layout: main                  # which layout of reports/ fills it
    default: true                 # part of `ablate` without names
    base: {...}                   # an experiment, as far as it is common to all
    quick: {evaluation.windows: 256}   # overrides at the tiny preset, lifted by --full
    axes:                         # their product is run
      data.detections: [cpn, gt]
      method.name:
        - d3dp
        - {method.name: finepose, method.options.prompt: none}   # several keys at once
    also:                         # further experiments, beside the product
      - {method.name: finepose, evaluation.actions: empty}
    choices:                      # other values of axes (and of also), taken by `ablate NAME=core`
      core: {method.name: [tcn, finepose]}
      complete: {}                # the axes as they stand
    quick_choice: core            # taken at the tiny preset, unless another one is named
    quick_title: what the table then shows, and what it leaves out
    seeds: [0, 1, 2]              # of the training; each is run with every one
    budget: 20                    # minutes: a plan says when it expects more, a search begins nothing after them
    search: {sampler: grid, trials: 30}   # try as many of the product, for error, time and memory

A value of an axis is the value of the key that names the axis, or a mapping of keys to values. As a method's name
``plugins`` stands for every method that an installed package adds, ``sampling plugins`` for those with hypotheses.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from ablations.plugins import with_plugins
from bench.config.experiment import Experiment, parse
from bench.config.parsing import Frozen, override, read_yaml, suggestion, validated
from bench.sweep.search import Search, Space
from models.errors import InputError

FOLDER = Path(__file__).parent


class Ablation(Frozen):
    """A declared sweep; see the head of this file for the fields."""

    title: str
    layout: str
    default: bool = True
    base: dict[str, Any] = {}
    quick: dict[str, Any] = {}
    axes: dict[str, tuple[Any, ...]] = Field({}, description="key path → values")
    also: tuple[dict[str, Any], ...] = ()
    choices: dict[str, dict[str, tuple[Any, ...]]] = {}
    quick_choice: str | None = None
    quick_title: str | None = None
    seeds: tuple[int, ...] = ()
    budget: float | None = Field(default=None, gt=0)
    search: Search | None = None

    def as_run(self, changes: Iterable[tuple[str, Any]], full: bool) -> Ablation:
        """The same, or its quick choice, which is run at the tiny preset without ``--full``."""
        if self.quick_choice is None or full:
            return self
        description = self.base
        for key, value in changes:
            description = override(description, key, value)
        method = description.get("method")
        preset = method.get("preset") if isinstance(method, dict) else None
        if preset not in (None, "tiny"):
            return self
        return self.choose(self.quick_choice).model_copy(update={"title": self.quick_title or self.title})

    def choose(self, choice: str) -> Ablation:
        """The same with the axes of a choice."""
        chosen = dict(self.choices[choice])
        also = chosen.pop("also", self.also)
        return self.model_copy(update={"axes": self.axes | chosen, "also": also, "quick_choice": None})

    def with_plugins(self) -> Ablation:
        """The same with the methods of installed packages in the places kept for them."""
        axes = {key: with_plugins(key, values) for key, values in self.axes.items()}
        choices = {
            name: {key: with_plugins(key, values) for key, values in chosen.items()}
            for name, chosen in self.choices.items()
        }
        return self.model_copy(update={"axes": axes, "choices": choices, "also": with_plugins("", self.also)})


def names() -> list[str]:
    """Every declared ablation."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def default_names() -> list[str]:
    """The ablations that run when none is named."""
    return [name for name in names() if read(name).default]


def read(name: str) -> Ablation:
    """A declared ablation by name, or any file of the same form by path; with ``=CHOICE``, one of its choices.

    Raises:
        InputError: no such ablation or choice, or a file that does not describe one.
    """
    name, equals, choice = name.rpartition("=") if "=" in Path(name).name else (name, "", "")
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.exists():
        raise InputError(f"unknown ablation {name!r}: {suggestion(name, names())}, or give a .yaml file")
    ablation = validated(Ablation, read_yaml(path), str(path)).with_plugins()
    for chosen, axes in ablation.choices.items():
        stray = [axis for axis in axes if axis not in (*ablation.axes, "also")]
        if stray:
            raise InputError(f"{path}: choice {chosen!r} names {stray[0]!r}, which is no axis of it")
    if not equals:
        return ablation
    if choice not in ablation.choices:
        known = f"it has {', '.join(ablation.choices)}" if ablation.choices else "it has none"
        raise InputError(f"ablation {name!r} has no choice {choice!r}: {known}")
    return ablation.choose(choice)


def expand(ablation: Ablation, changes: Iterable[tuple[str, Any]] = (), full: bool = False) -> list[Experiment]:
    """All experiments of an ablation, in declared order, each once.

    Args:
        ablation: the declaration.
        changes: (key, value) pairs that override every experiment.
        full: leave out the ``quick`` overrides.

    Raises:
        InputError: a key or a value that an experiment does not have.
    """
    changes = list(changes)
    ablation = ablation.as_run(changes, full)
    choices = [list(itertools.chain(*choice)) for choice in itertools.product(*settings(ablation).values())]
    choices += [list(extra.items()) for extra in ablation.also]
    seeds = [[("training.seed", seed)] for seed in ablation.seeds] or [[]]
    found = [describe(ablation, [*choice, *seed], changes, full) for choice in choices for seed in seeds]
    return list({experiment.model_dump_json(): experiment for experiment in found}.values())


def space(ablation: Ablation, changes: Iterable[tuple[str, Any]] = (), full: bool = False) -> Space:
    """What a search goes through: the product of the axes."""
    how, minutes = ablation.search, ablation.budget
    assert how is not None
    changes = list(changes)
    ablation = ablation.as_run(changes, full)
    values = settings(ablation)

    def experiment(chosen: Mapping[str, int]) -> Experiment:
        pairs = [pair for name, index in chosen.items() for pair in values[name][index]]
        return describe(ablation, pairs, changes, full)

    description = ablation.model_dump(mode="json", include={"base", "quick", "axes"})
    key = json.dumps([description, changes, full], default=str)
    axes = {name: len(pairs) for name, pairs in values.items()}
    return Space(key, axes, experiment, how, minutes)


def describe(
    ablation: Ablation, choice: Iterable[tuple[str, Any]], changes: list[tuple[str, Any]], full: bool
) -> Experiment:
    """The experiment of an ablation with these (key, value) pairs chosen, then overridden."""
    description = ablation.base
    for key, value in itertools.chain(choice, changes):
        description = override(description, key, value)
    experiment = parse(description, ablation.title)
    if experiment.method.preset != "tiny" or full or not ablation.quick:
        return experiment
    touched = {key for key, _ in changes}
    for key, value in ablation.quick.items():
        chosen = any(f"{name}.".startswith(f"{key}.") for name in touched)
        description = description if chosen else override(description, key, value)
    return parse(description, ablation.title)


def settings(ablation: Ablation) -> dict[str, list[list[tuple[str, Any]]]]:
    """Axis → its values, each as (key, value) pairs."""
    return {key: _settings(key, values) for key, values in ablation.axes.items()}


def _settings(key: str, values: tuple[Any, ...]) -> list[list[tuple[str, Any]]]:
    return [list(value.items()) if isinstance(value, dict) else [(key, value)] for value in values]
