"""A multi-objective search: error, time and memory over what a declared ablation spans.

An Optuna study in the store hands out trials, also to several programs at once. A trial is an experiment like any
other: addressed by its content, so that what was evaluated for another table is not evaluated again. Its price is
measured first, with fresh weights; where that already decides, it is neither trained nor evaluated.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from tqdm import tqdm

from bench.config.experiment import Experiment, identity
from bench.config.parsing import Frozen
from bench.job.identities import PROTOCOL_VERSION
from bench.job.pending import pending_work
from bench.job.resolve import Job, resolve
from bench.results.cost import Measurement
from bench.results.record import Missing, Record
from bench.results.store import Store
from bench.sweep.executors import Executor
from bench.sweep.run import measure_costs, place_of, run
from models.errors import InputError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

HEARTBEAT_SECONDS = 10
GRACE_SECONDS = 60
"""A trial without a sign of life for so long is given to somebody else."""


class Search(Frozen):
    """How a search goes through the product of an ablation's axes.

    Attributes:
        sampler: grid (all of it, in random order), tpe or nsga2.
        trials: how many experiments are tried.
        margin: a trial is not run if something already measured is no slower, no larger and no worse than the best
            of its method so far, were the trial even better than that by this share.
    """

    sampler: Literal["grid", "tpe", "nsga2"] = "grid"
    trials: int = Field(ge=1, le=100_000)
    margin: float = Field(default=0.05, ge=0, lt=1)


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes:
        key: equal for the same experiments in the same order.
        axes: name → number of values.
        experiment: of a choice of one value per axis.
        how: they are chosen.
        minutes: after which no further trial begins; None for no end.
    """

    key: str
    axes: Mapping[str, int]
    experiment: Callable[[Mapping[str, int]], Experiment]
    how: Search
    minutes: float | None = None


@dataclass(frozen=True)
class Found:
    """What a search tried: ids in the order of the trials, and why some have no record."""

    ids: tuple[str, ...]
    missing: dict[str, Missing]


def search(space: Space, store: Store, device: str, executor: Executor) -> Found:
    """Try experiments until there are as many as asked for, or the minutes are over; those tried before count.

    Raises:
        InputError: no choice of the space is an experiment, or what ``run`` raises.
    """
    study = _study(space, store, device, executor)
    ends = time.monotonic() + 60 * space.minutes if space.minutes else float("inf")
    while time.monotonic() < ends:
        trials = _ask(study, space, executor.slots)
        if not trials:
            break
        with _heartbeat(study, trials):
            _try(study, trials, space, store, device, executor)
    return _found(study, space, store, place_of(executor, device), device)


def best(record: Record) -> tuple[float, float, float]:
    """MPJPE (mm), milliseconds per frame and peak memory (MB) of the most accurate answer.

    Only answers that look at no ground-truth pose or trajectory count; each record has all of their aggregations.
    """
    step, frames = record.conditions.steps, record.cost.latency.frames
    answers = [
        (value.action_mean, record.cost.aggregation_ms.get(value.aggregation or "", 0.0))
        for value in record.values
        if (value.metric, value.step) == ("mpjpe", step) and value.kind in ("deterministic", "deployable")
    ]
    error, aggregation_ms = min(answers)
    return error, record.cost.latency.ms_per_frame + aggregation_ms / frames, record.cost.peak_memory_mb


def dominating(job: Job, price: Measurement, known: Mapping[str, Record], margin: float) -> Record | None:
    """A record that a job beats in no objective, if it is at most ``margin`` better than its kind so far."""
    kind = [record for record in known.values() if record.method == job.experiment.method.name]
    if not kind:
        return None
    hoped_for = min(best(record)[0] for record in kind) * (1 - margin)
    fastest, memory = price.cost.latency.ms_per_frame, price.cost.peak_memory_mb
    for record in known.values():
        error, milliseconds, megabytes = best(record)
        if error <= hoped_for and milliseconds <= fastest and megabytes <= memory:
            return record
    return None


def _study(space: Space, store: Store, device: str, executor: Executor) -> Study:
    import optuna
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for kind in (optuna.exceptions.ExperimentalWarning, UserWarning):
        warnings.filterwarnings("ignore", category=kind, module="bench.sweep.search|optuna")
    values = {name: list(range(number)) for name, number in space.axes.items()}
    samplers = {
        "grid": lambda: _grid(values),
        "tpe": lambda: optuna.samplers.TPESampler(seed=0, constant_liar=True),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=0),
    }
    storage = RDBStorage(
        f"sqlite:///{store.root.absolute() / 'studies.db'}",
        engine_kwargs={"connect_args": {"timeout": GRACE_SECONDS}},
        heartbeat_interval=HEARTBEAT_SECONDS,
        grace_period=GRACE_SECONDS,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
    )
    return optuna.create_study(
        storage=storage,
        sampler=samplers[space.how.sampler](),
        study_name=identity([space.key, space.how.sampler, PROTOCOL_VERSION, place_of(executor, device)]),
        directions=["minimize"] * 3,
        load_if_exists=True,
    )


def _grid(values: Mapping[str, Sequence[int]]) -> BaseSampler:
    """Optuna's exhaustive sampler, which would end the loop of a study by itself; here ``_ask`` does."""
    from optuna.samplers import GridSampler

    sampler = GridSampler(values, seed=0)
    sampler.after_trial = lambda *arguments: None  # type: ignore[method-assign]
    return sampler


def _ask(study: Study, space: Space, most: int) -> list[Trial]:
    """The next trials, as many as may be tried at once; none when all have been."""
    import optuna

    optuna.storages.fail_stale_trials(study)
    asked: list[Trial] = []
    while len(asked) < most:
        states = [trial.state for trial in study.get_trials(deepcopy=False)]
        waiting = optuna.trial.TrialState.WAITING in states
        begun = sum(state != optuna.trial.TrialState.WAITING for state in states)
        sampler = study.sampler
        exhausted = isinstance(sampler, optuna.samplers.GridSampler) and sampler.is_exhausted(study)
        if not waiting and (begun >= space.how.trials or exhausted):
            break
        trial = study.ask()
        for name, values in space.axes.items():
            trial.suggest_categorical(name, list(range(values)))
        asked.append(trial)
    return asked


@contextmanager
def _heartbeat(study: Study, trials: list[Trial]) -> Iterator[None]:
    """Signs of life of trials while they run."""
    over = threading.Event()

    def beat() -> None:
        while True:
            for trial in trials:
                study._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
            if over.wait(HEARTBEAT_SECONDS):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _try(study: Study, trials: list[Trial], space: Space, store: Store, device: str, executor: Executor) -> None:
    """Price, leave out what is dominated, run the others, and tell the study."""
    from optuna.trial import TrialState

    jobs: dict[int, Job] = {}
    for trial in trials:
        try:
            jobs[trial.number] = resolve(space.experiment(trial.params))
        except InputError as error:
            trial.set_user_attr("reason", f"no experiment: {error}")
            study.tell(trial, state=TrialState.FAIL)
    known = _measured(study, space, store)
    prices = measure_costs(jobs.values(), store, device, executor)
    chosen = {}
    for trial in trials:
        job = jobs.get(trial.number)
        better = None
        if job is not None and job.id in prices and job.id not in known:
            better = dominating(job, prices[job.id], known, space.how.margin)
        if job is not None and better is None:
            chosen[trial.number] = job
        elif job is not None and better is not None:
            trial.set_user_attr("reason", _pruned(better, space.how.margin))
            study.tell(trial, state=TrialState.PRUNED)
            tqdm.write(f"{job.title} is {_pruned(better, space.how.margin)}")
    records = run(chosen.values(), store, device, executor).records
    for trial in trials:
        job = chosen.get(trial.number)
        if job is not None and job.id in records:
            study.tell(trial, best(records[job.id]))
        elif job is not None:
            study.tell(trial, state=TrialState.FAIL)


def _pruned(better: Record, margin: float) -> str:
    size = f"H={better.conditions.hypotheses} K={better.conditions.steps}"
    name = " ".join(filter(None, (better.title, better.variant)))
    return f"pruned: {name} ({size}) is no slower, no larger and {margin:.0%} better than the best so far"


def _jobs(study: Study, space: Space) -> Iterator[tuple[FrozenTrial, Job]]:
    """Trials that are over or under way, with what they try."""
    for trial in study.get_trials(deepcopy=False):
        if trial.params.keys() == set(space.axes):
            try:
                yield trial, resolve(space.experiment(trial.params))
            except InputError:
                continue


def _measured(study: Study, space: Space, store: Store) -> dict[str, Record]:
    return store.records(job.id for _, job in _jobs(study, space))


def _found(study: Study, space: Space, store: Store, where: str, device: str) -> Found:
    tried = {job.id: (trial, job) for trial, job in _jobs(study, space)}
    todo = pending_work([job for _, job in tried.values()], store, device, where)
    missing = {}
    for name, (trial, job) in tried.items():
        reason = trial.user_attrs.get("reason")
        if name in todo.finished:
            continue
        if name in todo.failures:
            reason = f"failed: {todo.failures[name].sentence}"
        if reason:
            missing[name] = job.missing(reason, store.measurements.get(todo.cost_id_of[name]))
    return Found(tuple(tried), missing)
