"""Declared ablations: one YAML file here per table or figure, expanded into experiments.

A file holds::

    title: what the table shows
    note: a sentence under the table
    layout: main                  # which layout of reports/ fills it
    default: true                 # part of `ablate` without names
    base: {...}                   # an experiment, as far as it is common to all
    tiny_overrides: {evaluation.windows: 256}   # hold at the tiny preset, unless --full is given
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
    tiny_choice: core             # taken at the tiny preset, unless another one is named or --full is given
    tiny_title: the title of the table then
    tiny_note: the note then; it says what is left out
    seeds: [0, 1, 2]              # of the training; each is run with every one
    only_on: [population]         # data sets that it is for; on others nothing of it is run
    budget: 20                    # minutes: a search begins no trial after them
    search: {sampler: grid, trials: 30}   # try as many of the product, for error, time and memory
    claims: [...]                 # comparisons that a paper reports (``ablations.claims``); their runs are run too

A value of an axis is the value of the key that names the axis, or a mapping of keys to values; a single value
needs no list. In place of a method's name a word may stand for several methods of the registry: ``every``,
``core`` (those that the suite was made to compare) or ``plugins`` (those that installed packages add), each also
``with hypotheses``.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr

from ablations import FOLDER, names
from ablations.claims import DeclaredClaim
from ablations.selections import with_methods_named
from bench.config.experiment import Experiment, parse, with_changes
from bench.config.parsing import Description, read_yaml, suggestion, validated
from bench.config.registry import LAYOUTS
from bench.results.run_set import OLD_LAYOUTS, RunSet
from bench.sweep.search import Search, Space
from models.errors import InputError, quoted

OLD_KEYS = {"quick": "tiny_overrides", "quick_choice": "tiny_choice", "quick_title": "tiny_title"}
MOST_EXPERIMENTS = 100_000

KeyValues = Sequence[tuple[str, Any]]
"""(key, value) pairs that are set together."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | int | float) else value


Values = Annotated[tuple[Any, ...], BeforeValidator(_listed)]


class Ablation(Description):
    """A declared sweep; the head of this file describes the fields."""

    title: str
    note: str = ""
    layout: str
    default: bool = True
    base: dict[str, Any] = {}
    tiny_overrides: dict[str, Any] = {}
    axes: dict[str, Values] = {}
    also: tuple[dict[str, Any], ...] = ()
    choices: dict[str, dict[str, Values]] = {}
    tiny_choice: str | None = None
    tiny_title: str | None = None
    tiny_note: str = ""
    seeds: tuple[int, ...] = ()
    only_on: tuple[str, ...] = ()
    budget: float | None = Field(default=None, gt=0)
    search: Search | None = None
    claims: tuple[DeclaredClaim, ...] = ()

    _path: Path = PrivateAttr(Path("ablation.yaml"))

    @property
    def name(self) -> str:
        """Name of its table: that of the file, without its ending."""
        return self._path.stem

    def table(self, changes: KeyValues = (), full: bool = False) -> RunSet.Table:
        """The table that its runs will fill, still without their ids; the arguments are those of ``expand``."""
        taken = self._taken(changes, full)
        notes = (taken.note,) if taken.note else ()
        searching = self.search is not None
        return RunSet.Table(title=taken.title, layout=taken.layout, notes=notes, ids=(), searching=searching)

    def expand(self, changes: KeyValues = (), full: bool = False) -> list[Experiment]:
        """All experiments, in declared order, each once.

        Args:
            changes: (key, value) pairs that override every experiment.
            full: leave out what is meant for the tiny preset: ``tiny_overrides`` and ``tiny_choice``.

        Raises:
            InputError: a key or a value that an experiment does not have, or too many experiments.
        """
        taken = self._taken(changes, full)
        taken._check_size()
        axes = [_settings(key, values) for key, values in taken.axes.items()]
        settings: list[KeyValues]
        settings = [list(itertools.chain(*combination)) for combination in itertools.product(*axes)]
        settings = settings if axes or not taken.claims else []
        settings += _settings("also", taken.also)
        found = [one for setting in settings for one in taken._with_every_seed(setting, changes, full)]
        found += [experiment for sides in self.compared(changes, full) for side in sides for experiment in side]
        found = [one for one in found if not self.only_on or one.data.name in self.only_on]
        return list({experiment.model_dump_json(): experiment for experiment in found}.values())

    def compared(
        self, changes: KeyValues = (), full: bool = False
    ) -> list[tuple[list[Experiment], list[Experiment]]]:
        """For each claim the experiments of what is said to be better, and those of the other side.

        None for a claim between two data sets, if these are on neither. Arguments and errors: see ``expand``.
        """
        taken = self._taken(changes, full)

        def experiments(claim: DeclaredClaim, side: dict[str, Any]) -> list[Experiment]:
            found = taken._with_every_seed(side.items(), changes, full)
            return [one for one in found if claim.between is None or one.data.name in claim.between]

        return [
            (experiments(claim, better), experiments(claim, other))
            for claim in taken.claims
            for better, other in [claim.settings]
        ]

    def space(self, changes: KeyValues = (), full: bool = False) -> Space:
        """What the search of an ablation goes through: the product of its axes. Arguments: see ``expand``.

        Raises:
            InputError: it declares no search, or a key or a value that an experiment does not have.
        """
        if self.search is None:
            raise InputError(f"{self._path}: declares no search")
        taken = self._taken(changes, full)
        taken._check_size()
        settings = {key: _settings(key, values) for key, values in taken.axes.items()}
        for setting in itertools.chain(*settings.values()):
            taken._experiment(setting, changes, full)

        def experiment(chosen: Mapping[str, int]) -> Experiment:
            pairs = [pair for axis, index in chosen.items() for pair in settings[axis][index]]
            return taken._experiment(pairs, changes, full)

        sizes = {axis: len(values) for axis, values in settings.items()}
        return Space(taken._study_key(changes, full), sizes, experiment, self.search, self.budget, self.name)

    def choose(self, choice: str) -> Ablation:
        """The same with the axes of a choice."""
        chosen = dict(self.choices[choice])
        also = chosen.pop("also", self.also)
        return self.model_copy(update={"axes": self.axes | chosen, "also": also, "tiny_choice": None})

    def _taken(self, changes: KeyValues, full: bool) -> Ablation:
        """The same, or its tiny choice if the experiments are of the tiny preset and ``full`` is not asked for."""
        if self.tiny_choice is None or full:
            return self
        description = with_changes(self.base, changes)
        method = description.get("method")
        preset = method.get("preset") if isinstance(method, dict) else None
        if preset not in (None, "tiny"):
            return self
        update = {"title": self.tiny_title or self.title, "note": self.tiny_note or self.note}
        return self.choose(self.tiny_choice).model_copy(update=update)

    def _check_size(self) -> None:
        """Refuse a product that no machine finishes, before it is written out."""
        size = math.prod(map(len, self.axes.values())) * max(1, len(self.seeds))
        if size > MOST_EXPERIMENTS:
            raise InputError(
                f"{self._path}: the product of its axes has {size:,} experiments, and at most "
                f"{MOST_EXPERIMENTS:,} are run; leave out some values"
            )

    def _with_every_seed(
        self, setting: Collection[tuple[str, Any]], changes: KeyValues, full: bool
    ) -> list[Experiment]:
        seeds = [[("training.seed", seed)] for seed in self.seeds] or [[]]
        return [self._experiment([*setting, *seed], changes, full) for seed in seeds]

    def _experiment(self, setting: KeyValues, changes: KeyValues, full: bool) -> Experiment:
        """The experiment with these pairs set, then changed by the user; the user wins over the tiny overrides."""
        description = with_changes(self.base, [*setting, *changes])
        experiment = parse(description, str(self._path))
        if experiment.method.preset != "tiny" or full or not self.tiny_overrides:
            return experiment
        changed = [f"{key}." for key, _ in changes]
        overrides = [
            (key, value)
            for key, value in self.tiny_overrides.items()
            if not any(name.startswith(f"{key}.") for name in changed)
        ]
        return parse(with_changes(description, overrides), str(self._path))

    def _study_key(self, changes: KeyValues, full: bool) -> str:
        """Names the stored study of a search: with another text, the trials of earlier runs would not be found.

        That is why it still says "quick", the name that ``tiny_overrides`` had when the first studies were stored.
        """
        content = self.model_dump(mode="json", include={"base", "tiny_overrides", "axes"})
        description = {"base": content["base"], "quick": content["tiny_overrides"], "axes": content["axes"]}
        return json.dumps([description, changes, full], default=str)

    def _with_methods_named(self) -> Ablation:
        choices = {
            name: {key: with_methods_named(key, values) for key, values in chosen.items()}
            for name, chosen in self.choices.items()
        }
        axes = {key: with_methods_named(key, values) for key, values in self.axes.items()}
        return self.model_copy(
            update={"axes": axes, "choices": choices, "also": with_methods_named("also", self.also)}
        )


def read_all(asked: Sequence[str] = ()) -> list[Ablation]:
    """The ablations with these names, or those that run when none is named.

    Raises:
        InputError: as ``read``, or two of them would be one table.
    """
    if asked:
        found = [read(name) for name in dict.fromkeys(asked)]
        tables = [ablation.name for ablation in found]
        for twice in (name for name in tables if tables.count(name) > 1):
            raise InputError(
                f"two of the ablations are the table {twice!r}: give each a command with an --out of its own"
            )
        return found
    return [ablation for ablation in map(read, names()) if ablation.default]


def read(name: str) -> Ablation:
    """A declared ablation by name, or any file of the same form by path; with ``=CHOICE``, one of its choices.

    Raises:
        InputError: no such ablation or choice, or a file that does not describe one.
    """
    name, equals, choice = name.rpartition("=") if "=" in Path(name).name else (name, "", "")
    is_file = name.endswith((".yaml", ".yml"))
    if not is_file and name not in names():
        raise InputError(f"unknown ablation {name!r}, and no .yaml file: {suggestion(name, names())}")
    path = Path(name) if is_file else FOLDER / f"{name}.yaml"
    ablation = _parsed(path)
    if not equals:
        return ablation
    if choice not in ablation.choices:
        known = f"it has {', '.join(ablation.choices)}" if ablation.choices else "it has none"
        raise InputError(f"ablation {name!r} has no choice {choice!r}: {known}")
    return ablation.choose(choice)


def _parsed(path: Path) -> Ablation:
    content = read_yaml(path)
    _check_keys(content, "", path)
    ablation = validated(Ablation, _with_new_words(content, path), str(path))
    ablation._path = path
    _check_choices(ablation, path)
    if ablation.layout not in LAYOUTS.names():
        told = suggestion(ablation.layout, LAYOUTS.names())
        raise InputError(f"{path}: key 'layout' is {ablation.layout!r}, but there is no such layout: {told}")
    return ablation._with_methods_named()


def _check_keys(content: Any, place: str, path: Path) -> None:
    """Keys at every depth are texts: YAML reads ``1:``, ``on:`` and ``null:`` as other things."""
    if isinstance(content, list):
        for value in content:
            _check_keys(value, place, path)
    elif isinstance(content, dict):
        for key, value in content.items():
            if not isinstance(key, str):
                where = f" of {place!r}" if place else ""
                raise InputError(f"{path}: key {quoted(key)}{where} is not a text; quote it")
            _check_keys(value, f"{place}.{key}" if place else key, path)


def _check_choices(ablation: Ablation, path: Path) -> None:
    for chosen, axes in ablation.choices.items():
        stray = [axis for axis in axes if axis not in (*ablation.axes, "also")]
        if stray:
            raise InputError(f"{path}: choice {chosen!r} names {stray[0]!r}, which is no axis of it")
        if not all(isinstance(extra, dict) for extra in axes.get("also", ())):
            raise InputError(f"{path}: key 'choices.{chosen}.also' must be a list of mappings of keys to values")
    tiny, choices = ablation.tiny_choice, list(ablation.choices)
    if tiny is not None and tiny not in choices:
        known = suggestion(tiny, choices) if choices else "it has none"
        raise InputError(f"{path}: key 'tiny_choice' is {tiny!r}, which is no choice of it: {known}")


def _with_new_words(content: Any, path: Path) -> Any:
    """The content of a file with today's words for those of earlier versions, and one note about them."""
    if not isinstance(content, dict):
        return content
    renamed = {OLD_KEYS.get(key, key): value for key, value in content.items()}
    replaced = [(old, new) for old, new in OLD_KEYS.items() if old in content]
    layout = content.get("layout")
    if isinstance(layout, str) and layout in OLD_LAYOUTS:
        renamed["layout"] = OLD_LAYOUTS[layout]
        replaced.append((f"layout: {layout}", f"layout: {OLD_LAYOUTS[layout]}"))
    if replaced:
        words = ", ".join(f"{old!r} is now {new!r}" for old, new in replaced)
        print(f"note: {path}: {words}; the old words are still read", file=sys.stderr)
    return renamed


def _settings(key: str, values: Iterable[Any]) -> list[KeyValues]:
    return [list(value.items()) if isinstance(value, dict) else [(key, value)] for value in values]
