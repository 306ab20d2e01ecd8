"""A multi-objective search: error, time and memory over what a declared ablation spans.

An Optuna study in the store hands out trials, also to several programs at once. A trial is an experiment like any
other: addressed by its content, so that what was evaluated for another table is not evaluated again. Its cost is
measured first, with fresh weights; where that already decides, it is neither trained nor evaluated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from tqdm import tqdm

from bench.config.experiment import Experiment, identity
from bench.config.parsing import Description
from bench.job.identities import PROTOCOL_VERSION
from bench.job.jobs import Job
from bench.job.pending import PendingWork, StoreContents
from bench.job.resolve import resolve
from bench.results.cost import Cost, Measurement
from bench.results.leftovers import remove_leftovers
from bench.results.locks import Patience
from bench.results.record import Missing, Record
from bench.results.store import Store
from bench.results.tracking.connection import say
from bench.sweep.executors.base import Executor
from bench.sweep.run import Watcher, measure_costs, measuring_device, run
from bench.sweep.studies import GRACE_SECONDS, grid_sampler, heartbeat, open_studies, store_name, studies_service
from models.errors import InputError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, Trial


POLL_SECONDS = 1.0
"""Seconds between two looks at trials that other programs are doing."""

OBJECTIVES = ["MPJPE (mm)", "ms per frame", "peak memory (MB)"]
"""What ``best`` returns, in Optuna's tools."""

REPETITION = "repetition"
"""Attribute of a trial of what failed before."""

UNDER_WAY = "another program is trying it"
"""Why a trial has no record when the minutes of a search are over."""


class Search(Description):
    """How a search goes through the product of an ablation's axes.

    Attributes:
        sampler: grid (all of it, in random order), tpe or nsga2.
        trials: how many experiments are tried.
        margin: a trial is not run if something already measured is no slower, no larger and no worse than the best
            of its method so far, were the trial even better than that by this share.
        objective: "test": error, time and memory; "validation": the error on validation subjects, by Optuna's TPE,
            so many trials for each method (``bench.sweep.tuning``).
        finalists, seeds: with "validation", so many choices of each method are trained with so many seeds.
    """

    sampler: Literal["grid", "tpe", "nsga2"] = "grid"
    trials: int = Field(ge=1, le=100_000)
    margin: float = Field(default=0.05, ge=0, lt=1)
    objective: Literal["test", "validation"] = "test"
    finalists: int = Field(default=2, ge=1, le=100)
    seeds: int = Field(default=3, ge=1, le=100)


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes:
        key: equal for the same experiments in the same order.
        axes: name → number of values.
        experiment: of a choice of one value per axis.
        how: they are chosen.
        minutes: after which no further trial begins; None for no end.
        name: what Optuna's tools call its study, before the sampler and a part of its identity.
    """

    key: str
    axes: Mapping[str, int]
    experiment: Callable[[Mapping[str, int]], Experiment]
    how: Search
    minutes: float | None = None
    name: str = "search"


@dataclass(frozen=True)
class Found:
    """What a search tried: ids in the order of the trials, and why some have no record."""

    ids: tuple[str, ...]
    missing: dict[str, Missing]


def search(
    space: Space,
    store: Store,
    device: str,
    executor: Executor,
    watcher: Watcher | None = None,
    retry_failed: bool = False,
) -> Found:
    """Try experiments until there are as many as asked for, or the minutes are over; those tried before count.

    Args:
        retry_failed: whether to begin with those that failed before.

    Raises:
        InputError: no choice of the space is an experiment, or what ``run`` raises.
    """
    trials = _Trials(space, store, device, executor, watcher)
    if retry_failed:
        trials.repeat_failed()
    ends = time.monotonic() + 60 * space.minutes if space.minutes else float("inf")
    patience = Patience()
    with heartbeat(trials.storage, trials.alive):
        while time.monotonic() < ends:
            if batch := trials.ask(executor.slots):
                trials.run(batch)
                continue
            if not (number := trials.under_way()):
                break
            if patience.is_over():
                say(f"waiting for {number} trials of this search that other programs are doing")
            time.sleep(POLL_SECONDS)
    return trials.found()


def best(record: Record) -> tuple[float, float, float]:
    """MPJPE (mm), milliseconds per frame and peak memory (MB) with the most accurate deployable aggregation.

    Deployable ones look at no ground-truth pose or trajectory; each record has all of them.
    """
    step = record.conditions.steps
    error, milliseconds = min(
        (value.action_mean, record.cost.ms_per_frame(value.aggregation))
        for value in record.values
        if (value.metric, value.step) == ("mpjpe", step) and value.kind in ("deterministic", "deployable")
    )
    return error, milliseconds, _megabytes(record.cost)


def dominating(job: Job, measurement: Measurement, known: Mapping[str, Record], margin: float) -> Record | None:
    """A record that a job cannot beat in any objective, however accurate it turns out within ``margin``.

    Its error is taken to be lower by this share than that of the best record of its method. Costs are those of the
    device that its own was measured on.
    """
    same_method = [record for record in known.values() if record.method == job.experiment.method.name]
    if not same_method:
        return None
    hoped_for = (
        min(best(record)[0] for record in same_method) * (1 - margin),
        measurement.cost.latency.ms_per_frame,
        _megabytes(measurement.cost),
    )
    for record in known.values():  # equal ones too: trials of one configuration are equal in time and memory
        of_one_device = record.environment.place == measurement.environment.place
        if of_one_device and all(found <= hoped for found, hoped in zip(best(record), hoped_for, strict=True)):
            return record
    return None


def _megabytes(cost: Cost) -> float:
    """Peak memory (MB) of a prediction; infinite where only the resident memory of an older version is known."""
    return inf if cost.memory_mb is None else cost.memory_mb


class _Trials:
    """The trials of a study, the job that each of them tries, and what is known of those jobs.

    Every trial is resolved once, and the store is read once; trials that other programs begin in the meantime join
    them.
    """

    def __init__(
        self, space: Space, store: Store, device: str, executor: Executor, watcher: Watcher | None
    ) -> None:
        self.space, self.store, self.device, self.executor, self.watcher = space, store, device, executor, watcher
        self.where = measuring_device(executor, device)
        store.make()
        remove_leftovers(store.root)
        self.service = studies_service(store.root)
        self.storage = open_studies(store.root)
        self.study = self.service.patiently(
            lambda: _study(space, self.storage, self.where, store_name(store.root))
        )
        self.contents = StoreContents(store)
        self.alive: list[int] = []
        """Numbers, in the storage, of the trials that this program is doing."""
        self.jobs: dict[int, Job] = {}
        self.no_experiments: dict[int, str] = {}
        self.records: dict[str, Record] = {}

    def ask(self, most: int) -> list[Trial]:
        """The next trials, as many as may be tried at once; none when all have been.

        Of a grid, those that are done already come beside, so that no worker is idle for them.
        """
        import optuna

        self.service.patiently(lambda: optuna.storages.fail_stale_trials(self.study))
        asked: list[Trial] = []
        sampler = self.study.sampler
        grid = sampler if isinstance(sampler, optuna.samplers.GridSampler) else None
        while (self._to_do(asked) if grid else len(asked)) < most:
            trials, queued = self._all(), optuna.trial.TrialState.WAITING
            waiting = any(trial.state == queued for trial in trials)
            begun = sum(trial.state != queued and not _is_repetition(trial) for trial in trials)
            exhausted = grid is not None and self.service.patiently(partial(grid.is_exhausted, self.study))
            if not waiting and (begun >= self.space.how.trials or exhausted):
                break
            trial = self.service.patiently(self.study.ask)
            self._show_alive(trial)  # before anything that takes long, in which this program may be killed
            for name, number in self.space.axes.items():
                self.service.patiently(partial(trial.suggest_categorical, name, list(range(number))))
            asked.append(trial)
        return asked

    def repeat_failed(self) -> None:
        """Forget why experiments failed, and put a trial of each before all others."""
        tried = self._tried()
        pending = PendingWork(
            [job for _, job in tried.values()], self.store, self.device, self.where, self.contents
        )
        for name in pending.failures:
            params = tried[name][0].params
            self.service.patiently(partial(self.study.enqueue_trial, params, {REPETITION: True}))
        pending.forget_failures()

    def _to_do(self, trials: Sequence[Trial]) -> int:
        """How many experiments these trials have that are not finished."""
        jobs = (self._job(trial) for trial in trials)
        return len({job.id for job in jobs if job is not None} - self.contents.finished)

    def under_way(self) -> int:
        """How many trials are being tried, where this program tries none: those of others, alive or not."""
        from optuna.trial import TrialState

        return sum(trial.state == TrialState.RUNNING for trial in self._all())

    def _show_alive(self, trial: Trial) -> None:
        """Give a first sign of life of a trial, which ``heartbeat`` goes on with."""

        def show() -> int:
            study = self.storage.get_study_id_from_name(self.study.study_name)
            found = self.storage.get_trial_id_from_study_id_trial_number(study, trial.number)
            self.storage.record_heartbeat(found)
            return found

        self.alive.append(self.service.patiently(show))

    def _all(self) -> list[FrozenTrial]:
        return self.service.patiently(lambda: self.study.get_trials(deepcopy=False))

    def run(self, trials: list[Trial]) -> None:
        """Measure costs, leave out what is dominated, run the others, and tell the study."""
        jobs = [job for trial in trials if (job := self._job(trial)) is not None]
        ids = {job.id for trial in self._begun() if (job := self._job(trial)) is not None}
        self.records |= self.store.records(ids - self.records.keys())  # other programs have finished some
        measured = measure_costs(jobs, self.store, self.device, self.executor, self.contents)
        chosen = []
        for trial in trials:
            job = self._job(trial)
            if job is None:
                self._tell(trial, "FAIL", reason=f"no experiment: {self.no_experiments[trial.number]}")
            elif (better := self._better(job, measured)) is not None:
                reason = self._reason_to_prune(better)
                self._tell(trial, "PRUNED", reason=reason)
                tqdm.write(f"{job.title} is {reason}")
            else:
                chosen.append((trial, job))
        jobs = [job for _, job in chosen]
        outcome = run(jobs, self.store, self.device, self.executor, contents=self.contents, watcher=self.watcher)
        for trial, job in chosen:
            if job.id in outcome.records:
                self._tell(trial, "COMPLETE", best(outcome.records[job.id]))
            else:
                self._tell(trial, "FAIL")
        self.alive.clear()

    def found(self) -> Found:
        """All trials that are over or under way, also of other programs, and why some have no record."""
        tried = self._tried()
        pending = PendingWork([job for _, job in tried.values()], self.store, self.device, self.where)
        missing = {}
        for name, (trial, job) in tried.items():
            reason = trial.user_attrs.get("reason") or (UNDER_WAY if not trial.state.is_finished() else None)
            if name in pending.finished:
                continue
            if name in pending.failures:
                reason = f"failed: {pending.failures[name].sentence}"
            if reason:
                missing[name] = job.missing(reason, self.store.measurements.get(pending.cost_id(job)))
        return Found(tuple(tried), missing)

    def _tried(self) -> dict[str, tuple[FrozenTrial, Job]]:
        """Id of an experiment → the last trial of it, and its job."""
        return {job.id: (trial, job) for trial in self._begun() if (job := self._job(trial)) is not None}

    def _begun(self) -> list[FrozenTrial]:
        return [trial for trial in self._all() if trial.params.keys() == set(self.space.axes)]

    def _job(self, trial: Trial | FrozenTrial) -> Job | None:
        """What a trial tries; None for a choice that is no experiment."""
        number = trial.number
        if number not in self.jobs and number not in self.no_experiments:
            try:
                self.jobs[number] = resolve(self.space.experiment(trial.params), self.executor.cache)
            except InputError as error:
                self.no_experiments[number] = str(error)
        return self.jobs.get(number)

    def _better(self, job: Job, measured: Mapping[str, Measurement]) -> Record | None:
        """A record that dominates what this job can reach; None if there is none."""
        if job.id in self.records or job.id not in measured:
            return None
        return dominating(job, measured[job.id], self.records, self.space.how.margin)

    def _tell(
        self,
        trial: Trial,
        state: Literal["COMPLETE", "FAIL", "PRUNED"],
        values: Sequence[float] | None = None,
        reason: str = "",
    ) -> None:
        """Tell the study how a trial ended, unless another program that took this one for dead has ended it.

        ``reason``: why it is not run.
        """
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        def tell() -> TrialState:
            return self.study.tell(trial, values, state=TrialState[state], skip_if_finished=True).state

        if reason:
            with suppress(UpdateFinishedTrialError):
                self.service.patiently(lambda: trial.set_user_attr("reason", reason))
        try:
            ended = self.service.patiently(tell)
        except UpdateFinishedTrialError:
            ended = TrialState.FAIL
        if ended != TrialState[state]:
            say(
                f"trial {trial.number} was taken over by another program, as it gave no sign of life for "
                f"{GRACE_SECONDS} s; its results are kept"
            )

    def _reason_to_prune(self, better: Record) -> str:
        """Why a trial is not run, in words: what it hopes for is dominated by this record."""
        size = f"H={better.conditions.hypotheses} K={better.conditions.steps}"
        name = " ".join(filter(None, (better.title, better.variant)))
        share = f"{self.space.how.margin:.0%}"
        return f"pruned: {name} ({size}) is no slower, no larger and {share} better than the best so far"


def _is_repetition(trial: FrozenTrial) -> bool:
    """Whether another trial counts for its experiment: one that was lost (Optuna's mark), or that failed."""
    return "failed_trial" in trial.system_attrs or REPETITION in trial.user_attrs


def _study(space: Space, storage: RDBStorage, where: str, name: str | None) -> Study:
    """The study of a space on a device, made when there is none yet; ``name``: of one of several stores."""
    import optuna

    values = {axis: list(range(number)) for axis, number in space.axes.items()}
    samplers = {
        "grid": lambda: grid_sampler(values),
        "tpe": lambda: optuna.samplers.TPESampler(seed=0, constant_liar=True),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=0),
    }
    known = identity([space.key, space.how.sampler, PROTOCOL_VERSION, where, *([name] if name else [])])
    if known not in optuna.get_all_study_names(storage):  # as studies of earlier versions are called
        known = f"{space.name} {space.how.sampler} {known}"
    study = optuna.create_study(
        storage=storage,
        sampler=samplers[space.how.sampler](),
        study_name=known,
        directions=["minimize"] * len(OBJECTIVES),
        load_if_exists=True,
    )
    if study.metric_names is None:
        study.set_metric_names(OBJECTIVES)
    return study
