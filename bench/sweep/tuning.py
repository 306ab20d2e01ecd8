"""A search for training recipes: every method alike, by its error on validation subjects.

The first trials of a method are the recipe that it has and those beside it on the grid, one value changed; then
Optuna proposes, from a fixed seed, a few at a time. Trainings are kept in the store like any other, so a search
that was interrupted proposes the same again and finds them done. Errors of the test set play no part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from bench.job.data_cache import DataCache
from bench.job.describe import git_commit
from bench.job.jobs import Job
from bench.job.pending import StoreContents
from bench.job.resolve import resolve
from bench.results.files import write_text
from bench.results.record import Missing, Record
from bench.results.store import Store
from bench.sweep.executors.base import Executor
from bench.sweep.run import Watcher, run
from bench.sweep.search import Found, Space
from bench.training.recipe import ASKED
from models.errors import InputError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import Trial

METHOD = "method.name"
RECIPES = "recipes.toml"
"""File in the store with what was chosen."""

TOGETHER = 5
"""Trials of a method that are proposed before their errors are known, however many workers there are."""

Choice = dict[str, int]
"""Axis → number of one of its values."""


def tune(
    space: Space,
    store: Store,
    device: str,
    executor: Executor,
    watcher: Watcher | None = None,
    retry_failed: bool = False,
) -> Found:
    """Search for the recipe of every method, repeat the best with further seeds, and write ``recipes.toml``.

    Raises:
        InputError: the space has no axis of methods, or what ``run`` raises.
    """
    if METHOD not in space.axes:
        raise InputError(f"a search by validation is for every method apart: name the axis {METHOD}")
    store.make()
    tuning = _Tuning(space, store, device, executor, watcher, retry_failed)
    for begin in range(0, space.how.trials, TOGETHER):
        tuning.try_more(min(TOGETHER, space.how.trials - begin))
    tuning.repeat_best()
    path = store.root / RECIPES
    write_text(path, "\n".join(filter(None, map(tuning.chosen, tuning.methods))))
    tqdm.write(f"chosen recipes: {path}")
    return Found(tuple(tuning.jobs), tuning.missing)


def kept_error(record: Record) -> float:
    """Validation MPJPE (mm) of the weights that were kept."""
    return dict(record.training.validation_mpjpe)[record.training.selected_epoch]


@dataclass
class _Method:
    """The search for one method.

    Attributes:
        method: which value of the axis of methods it is.
        axes: the numbers of the values that this method accepts, by axis.
        errors: choice → validation error with each seed.
    """

    method: int
    axes: dict[str, list[int]]
    study: Study
    errors: dict[tuple[tuple[str, int], ...], list[float]] = field(default_factory=dict)

    def ask(self) -> tuple[Trial, Choice]:
        """The next proposal."""
        trial = self.study.ask()
        chosen = {axis: values[trial.suggest_int(axis, 0, len(values) - 1)] for axis, values in self.axes.items()}
        return trial, {METHOD: self.method} | chosen

    def best(self, number: int) -> list[Choice]:
        """The choices with the lowest mean error among those with most seeds."""
        most = max(map(len, self.errors.values()), default=0)
        complete = [choice for choice, errors in self.errors.items() if len(errors) == most]
        return [dict(choice) for choice in sorted(complete, key=lambda c: np.mean(self.errors[c]))[:number]]


class _Tuning:
    """The searches of all methods, and what they have tried."""

    def __init__(
        self,
        space: Space,
        store: Store,
        device: str,
        executor: Executor,
        watcher: Watcher | None,
        retry_failed: bool,
    ) -> None:
        self.space, self.store, self.device, self.executor, self.watcher = space, store, device, executor, watcher
        self.retry_failed = retry_failed
        self.cache = executor.cache or DataCache()
        self.contents = StoreContents(store)
        self.jobs: dict[str, Job] = {}
        self.missing: dict[str, Missing] = {}
        self.methods = [found for n in range(space.axes[METHOD]) if (found := self._method(n)) is not None]

    def _method(self, number: int) -> _Method | None:
        """The search for one method; None for one that is not trained."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        declared = self._resolve({METHOD: number}).training
        if declared.recipe.epochs == 0:
            return None
        axes: dict[str, list[int]] = {}
        first: dict[str, int] = {}
        for axis in (axis for axis in self.space.axes if axis != METHOD):
            ids = self._trainings(number, axis)
            if ids:
                axes[axis] = list(ids)
            if declared.id in ids.values():
                first[axis] = list(ids.values()).index(declared.id)
        sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=TOGETHER, constant_liar=True)
        study = optuna.create_study(sampler=sampler)
        study.enqueue_trial(first)
        for axis, index in first.items():
            for beside in (index + 1, index - 1):
                if 0 <= beside < len(axes[axis]):
                    study.enqueue_trial(first | {axis: beside})
        return _Method(number, axes, study)

    def _trainings(self, method: int, axis: str) -> dict[int, str]:
        """Number of a value of an axis → id of the training with it, for values that the method accepts."""
        ids = {}
        for value in range(self.space.axes[axis]):
            with suppress(InputError):
                ids[value] = self._resolve({METHOD: method, axis: value}).training.id
        return ids

    def _resolve(self, choice: Mapping[str, int], seed: int = 0) -> Job:
        experiment = self.space.experiment(choice)
        training = experiment.training.model_copy(update={"seed": seed, "selection": "validation"})
        return resolve(experiment.model_copy(update={"training": training}), self.cache)

    def try_more(self, number: int) -> None:
        """Try so many further proposals for every method."""
        from optuna.trial import TrialState

        asked = [(method, *method.ask()) for _ in range(number) for method in self.methods]
        errors = self._errors([choice for _, _, choice in asked], seed=0)
        for (method, trial, choice), error in zip(asked, errors, strict=True):
            if error is None:
                method.study.tell(trial, state=TrialState.FAIL)
            else:
                method.study.tell(trial, error)
                method.errors[tuple(choice.items())] = [error]

    def repeat_best(self) -> None:
        """Train the best choices of every method with further seeds."""
        finalists = [
            (method, choice) for method in self.methods for choice in method.best(self.space.how.finalists)
        ]
        for seed in range(1, self.space.how.seeds):
            errors = self._errors([choice for _, choice in finalists], seed)
            for (method, choice), error in zip(finalists, errors, strict=True):
                if error is not None:
                    method.errors[tuple(choice.items())].append(error)

    def _errors(self, choices: Sequence[Choice], seed: int) -> list[float | None]:
        """Validation errors of choices, None where a training failed."""
        jobs = [self._resolve(choice, seed) for choice in choices]
        outcome = run(
            jobs,
            self.store,
            self.device,
            self.executor,
            retry_failed=self.retry_failed,
            contents=self.contents,
            watcher=self.watcher,
        )
        for job in jobs:
            self.jobs[job.id] = job
            if job.id in outcome.failures:
                self.missing[job.id] = job.missing(f"failed: {outcome.failures[job.id].sentence}")
        return [kept_error(outcome.records[job.id]) if job.id in outcome.records else None for job in jobs]

    def chosen(self, method: _Method) -> str:
        """What was chosen for a method and how, as a part of a TOML file; "" where every training failed."""
        best = method.best(1)
        if not best:
            return ""
        asked, job = self.space.experiment(best[0]), self._resolve(best[0])
        errors = method.errors[tuple(best[0].items())]
        kept = (name for name in ASKED if name != "compute")  # that of the preset, the same for every method
        recipe = {name: value for name in kept if (value := getattr(asked.training, name)) is not None}
        how = {
            "trials": len(method.study.trials),
            "seeds": len(errors),
            "validation_mpjpe": [round(error, 2) for error in errors],
            "compute": job.training.recipe.compute,
            "data": f"{job.train.label}, {job.train.detections} [{job.train.fingerprint}]",
            "commit": git_commit(),
            "date": datetime.now(UTC).date().isoformat(),
        }
        name = job.experiment.method.name
        sections = {name: recipe, f"{name}.options": asked.method.options, f"{name}.provenance": how}
        return "\n".join(_section(title, values) for title, values in sections.items() if values)


def _section(title: str, values: Mapping[str, Any]) -> str:
    """A table of a TOML file; JSON writes numbers, texts and lists of them as TOML does."""
    return "\n".join([f"[{title}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""])
