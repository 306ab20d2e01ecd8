"""From experiments to jobs that can run here, those that the data rule out, and the problems to solve first."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from bench.config.experiment import Experiment
from bench.job.blueprint import GIGABYTE, Blueprints, step_windows, way_out
from bench.job.data_cache import DataCache
from bench.job.jobs import Job, Training
from bench.job.resolve import LEFT_OUT, left_out, resolve
from bench.job.weights import check_lengths
from bench.measure.compilation import check_compiles
from bench.results.record import Missing
from models.errors import InputError, UnfitError


class Planner:
    """Resolves experiments, each once, and checks what can be known of them before anything runs.

    Attributes:
        cache: loaded data.
        blueprints: the methods without values.
        left_out: experiments that the data rule out, by an id of their own.
        problems: sentences that say what is wrong with experiments or lacks on this machine, each once.
    """

    def __init__(self, device: torch.device | None) -> None:
        """``device``: that is to compute; None where another machine does."""
        self.cache = DataCache()
        self.blueprints = Blueprints(device)
        self.left_out: dict[str, Missing] = {}
        self.problems: list[str] = []
        self._jobs: dict[str, Job] = {}
        self._ids: dict[str, str | None] = {}

    def ids(self, experiments: Iterable[Experiment]) -> tuple[str, ...]:
        """Ids of jobs and of what is left out, each once; a problem has none."""
        found = (self._id(experiment) for experiment in experiments)
        return tuple(dict.fromkeys(name for name in found if name is not None))

    def jobs(self, ids: Iterable[str]) -> list[Job]:
        """The jobs among these ids, in their order."""
        return [self._jobs[name] for name in ids if name in self._jobs]

    def check(self, ids: Iterable[str]) -> None:
        """Refuse a plan without any job.

        Raises:
            InputError: all of it is left out.
        """
        left_out = [self.left_out[name].reason for name in ids if name in self.left_out]
        reasons = dict.fromkeys(reason.removeprefix(LEFT_OUT) for reason in left_out)
        if reasons and not self._jobs and not self.problems:
            raise InputError(told_together(list(reasons)))

    def _id(self, experiment: Experiment) -> str | None:
        key = experiment.model_dump_json()
        if key not in self._ids:
            self._ids[key] = self._planned(experiment)
        return self._ids[key]

    def _planned(self, experiment: Experiment) -> str | None:
        try:
            job = resolve(experiment, self.cache)
            for training in job.training.chain if job.published is None else ():
                check_fits(training, self.blueprints)
        except UnfitError as error:
            missing = left_out(experiment, str(error))
            self.left_out[missing.id] = missing
            return missing.id
        except InputError as error:
            if str(error) not in self.problems:
                self.problems.append(str(error))
            return None
        self._jobs[job.id] = job
        return job.id


def check_fits(training: Training, blueprints: Blueprints) -> None:
    """Whether a training can be done with its data and on this machine, as far as it can be known before.

    Raises:
        UnfitError: the data have no sequence as long as a window, or lack what the method reads; or its
            training shall be compiled and cannot be.
        InputError: the method cannot be built, or one window does not fit into memory.
    """
    lifter = blueprints.lifter(training)
    if lifter is None:
        return
    check_lengths(training.data, lifter)
    size = blueprints.size(lifter)
    if training.recipe.compile and size.trained:
        check_compiles(lifter, "training.compile")
    whole = blueprints.step(training, step_windows(training, lifter))
    if whole is not None and size.state + whole.peak > blueprints.memory:
        least = blueprints.step(training, lifter.least_windows) or whole  # a step is computed in parts if need be
        needed = size.state + least.peak
        if needed > blueprints.memory:
            raise InputError(
                f"{training.lifter.title}: a training step of a single window needs {needed / GIGABYTE:,.0f} GB, "
                f"too much for {blueprints.place}: {way_out(training)}"
            )


def told_together(problems: list[str]) -> str:
    """Several sentences as one."""
    if len(problems) == 1:
        return problems[0]
    listed = "; ".join(f"({number}) {problem}" for number, problem in enumerate(problems, start=1))
    return f"{len(problems)} problems must be solved before the start: {listed}"
