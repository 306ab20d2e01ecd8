"""Many experiments with nothing done twice.

Costs come first: they need no trained weights, and are measured one at a time while this program does nothing
else. Then trainings and evaluations go on side by side, in the order of the experiments, and each record is
completed, logged and kept as soon as its numbers are there. The cost of a method whose size follows from its
training comes after that training, at the end. What was made is in the store, so the same command goes on from
wherever it was stopped.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from tqdm import tqdm

from bench.devices import device_of
from bench.job.jobs import Job
from bench.job.pending import PendingWork, StoreContents
from bench.job.pipeline import complete
from bench.job.task import Task, TaskStatus, distributed, first_process
from bench.measure.environment import device_label
from bench.results.cost import Measurement
from bench.results.failure import Failure
from bench.results.leftovers import remove_leftovers
from bench.results.record import Record
from bench.results.store import Store
from bench.results.tracking.connection import say
from bench.results.tracking.following import following
from bench.results.tracking.recovery import log_again, warn_of_unreadable
from bench.results.tracking.tracker import Tracker
from bench.sweep.executors.base import Executor
from bench.sweep.executors.local import Local
from bench.sweep.tasks import run_tasks
from models.errors import InputError

AWAY_SECONDS = 300.0
"""Seconds without logging after MLflow was given up: experiments that wait are logged then, or at the end."""


@dataclass(frozen=True)
class Outcome:
    """What a call of ``run`` did.

    Attributes:
        records: of the experiments asked for, by id.
        failures: why others have none, by id of the experiment.
        trained, evaluated: numbers of training tasks that this call did, and of experiments that it finished.
        waiting: ids of experiments that are done and wait for MLflow.
        tracker: for a further call, where one was needed.
    """

    records: dict[str, Record]
    failures: dict[str, Failure]
    trained: int
    evaluated: int
    waiting: frozenset[str] = frozenset()
    tracker: Tracker | None = None


class Watcher:
    """Looks on while a sweep runs; this one does nothing.

    Its methods are called between tasks, so they must not take long.
    """

    def look(self, pending: PendingWork) -> None:
        """See what is done, has failed and is left, again and again."""

    def be_quiet(self) -> None:
        """Leave the device alone: a cost is measured next."""

    def begun(self, task: Task) -> None:
        """See a task that a worker is given."""

    def ended(self, task: Task, status: TaskStatus) -> None:
        """See a task that is done or has failed."""


def run(
    jobs: Iterable[Job],
    store: Store,
    device: str,
    executor: Executor | None = None,
    *,
    retry_failed: bool = False,
    contents: StoreContents | None = None,
    watcher: Watcher | None = None,
    tracker: Tracker | None = None,
    later: bool = False,
) -> Outcome:
    """Bring every job to a finished record or a recorded failure; what is finished already is not repeated.

    Args:
        jobs: in the order in which they are done, as far as workers are not left idle by it; repeats allowed.
        store: where trainings and records are kept; other programs may work on it at the same time.
        executor: where tasks are done; this process by default. It is not closed.
        contents: of the store, where the caller knows them already; they are kept up to date.
        tracker: of an earlier call; MLflow need not be there then before anything is computed.
        later: whether a further call logs what waits for MLflow at the end of this one.

    Raises:
        InputError: the device does not exist, or MLflow's store cannot be reached.
        OSError: the store cannot be written.
    """
    executor, watcher = executor or Local(store.root), watcher or Watcher()
    pending = PendingWork(jobs, store, device, measuring_device(executor, device), contents)
    for title in pending.forget_outdated():
        tqdm.write(f"tried again, as its code has changed since it failed: {title}")
    if retry_failed:
        pending.forget_failures()
    trained = evaluated = 0
    if pending.left:
        store.make()
        if first_process() and contents is None:  # else the caller looks once for all its calls
            remove_leftovers(store.root)
        first = tracker is None
        if tracker is None:
            tracker = Tracker(store.root)
            if tracker.is_new and first_process():
                log_again(tracker, store)
        try:
            _add_logged(pending, tracker, store)
        except InputError as error:
            if first or not later:
                raise
            say(f"warning: {error}. Work goes on; what other stores logged there is not looked for")
        log = _Log(pending, tracker, store)
        with following(tracker, store) if first_process() else nullcontext():
            try:
                trained, evaluated = _do(pending, log, store, executor, watcher, later)
            except KeyboardInterrupt:
                executor.close()  # what its workers train is saved before anybody looks at it
                raise
    if first_process():
        _fold(store)
    waiting = frozenset(job.id for job in pending.ready) if first_process() else frozenset()
    return Outcome(store.records(pending.jobs), pending.failures, trained, evaluated, waiting, tracker)


def _do(
    pending: PendingWork, log: _Log, store: Store, executor: Executor, watcher: Watcher, later: bool
) -> tuple[int, int]:
    """Measure, train, evaluate and log what is pending; ``later``: see ``run``.

    Returns:
        Numbers of trainings that were done, and of experiments that were finished.
    """

    def log_and_look() -> bool:
        """Log one experiment while workers are busy with others; in this process none waits, so log all."""
        if not first_process():
            return False
        while (more := log.one()) and executor.slots == 1:
            pass
        watcher.look(pending)
        return more

    # Processes that train together must agree on what is left, which the failure of a measurement changes.
    if first_process() and not distributed():
        watcher.be_quiet()
        _measure(pending, [job for job in pending.left if not job.keeps_data], store, executor, watcher)
    ended = partial(_end, pending, watcher)
    done = run_tasks(pending.tasks(), executor, store, executor.slots, ended, log_and_look, begun=watcher.begun)
    if first_process():
        watcher.be_quiet()
        _measure(pending, pending.evaluated, store, executor, watcher)
        log.all(later)
    return sum(task.kind == "train" for task in done), log.finished


def measuring_device(executor: Executor, device: str) -> str:
    """Name of the device that costs are measured on.

    Raises:
        InputError: it does not exist.
    """
    return f"{device} of {executor.place}" if executor.place else device_label(device_of(device))


def measure_costs(
    jobs: Iterable[Job], store: Store, device: str, executor: Executor, contents: StoreContents | None = None
) -> dict[str, Measurement]:
    """What the predictions of these jobs cost, by id, whether they are trained or not; without those that fail.

    Arguments: see ``run``.
    """
    pending = PendingWork(jobs, store, device, measuring_device(executor, device), contents)
    _measure(pending, pending.left, store, executor, Watcher())
    found = {name: store.measurements.get(pending.cost_id(job)) for name, job in pending.jobs.items()}
    return {name: measurement for name, measurement in found.items() if measurement is not None}


def _measure(
    pending: PendingWork, jobs: Iterable[Job], store: Store, executor: Executor, watcher: Watcher
) -> None:
    """Measure one cost at a time, while nothing else is done.

    In this process, unless tasks are done on other machines: workers beside it would disturb the measurement.
    """
    place = executor if executor.place else Local(store.root, cache=executor.cache)
    ended = partial(_end, pending, watcher)
    run_tasks(pending.measurements(jobs), place, store, 1, ended, begun=watcher.begun)


def _end(pending: PendingWork, watcher: Watcher, task: Task, status: TaskStatus) -> None:
    """Note that a task is done or has failed."""
    pending.end_task(task, status)
    watcher.ended(task, status)


class _Log:
    """Completes records, logs and keeps them, each as soon as its numbers and its cost are there.

    Attributes:
        finished: number of the records that were new.
    """

    def __init__(self, pending: PendingWork, tracker: Tracker, store: Store) -> None:
        self.finished = 0
        self._pending, self._tracker, self._store = pending, tracker, store
        self._not_before = 0.0

    def one(self, later: bool = True) -> bool:
        """Log an experiment if one is ready; while MLflow is away, they wait.

        Returns:
            Whether there is more to log now.

        Raises:
            InputError: MLflow's store cannot be reached or written, and nothing is logged ``later``.
        """
        if not self._pending.ready or time.monotonic() < self._not_before:
            return False
        try:
            self._log_first()
        except InputError as error:
            if not later:
                raise
            self._not_before = time.monotonic() + AWAY_SECONDS
            say(f"warning: {error}. Work goes on; what is finished meanwhile is logged later")
            return False
        return bool(self._pending.ready)

    def all(self, later: bool) -> None:
        """Log all that are ready.

        Raises:
            InputError: MLflow's store cannot be reached or written, and nothing is logged ``later``.
        """
        self._not_before = 0.0
        while self.one(later):
            pass

    def _log_first(self) -> None:
        """Turn an evaluation and its cost into a record that is logged and kept, if no other program has."""
        job = self._pending.ready[0]
        with self._store.lock("log"):
            evaluation = self._store.evaluations.get(job.id)
            measurement = self._store.measurements.get(self._pending.cost_id(job))
            record = None
            if evaluation is not None and measurement is not None:
                record = complete(evaluation, measurement, self._store)
                record = self._tracker.log(record, self._store.files.of(job.id))
                self._store.add(record)
                self._store.evaluations.remove(job.id)
        self._pending.ready.popleft()
        if record is not None:  # else another program took its numbers
            self._pending.add_finished([job.id])
            self.finished += 1
            tqdm.write(f"finished {job.title}: {_headline(record)}")


def _fold(store: Store) -> None:
    """Move records into the index where some wait for that, also from a call that was killed.

    That they wait is no loss: they are read where they are. So what keeps them from the index is only told.
    """
    if not any((store.root / "records").glob("*.json")):
        return
    try:
        store.fold()
    except (InputError, OSError) as error:
        tqdm.write(f"warning: new records are kept, but not in the index yet: {error}", file=sys.stderr)


def _add_logged(pending: PendingWork, tracker: Tracker, store: Store) -> None:
    """Take over what MLflow holds: the index or arrays may be lost, or other stores log to the same place."""
    if store.index.exists() and "MLFLOW_TRACKING_URI" not in os.environ:
        return
    found = tracker.records({job.id for job in pending.left})
    warn_of_unreadable(tracker, found)
    for record in found.records:
        if tracker.give_back(record, [store.root / name for name in record.files]):
            store.add(record)
            pending.add_finished([record.id])


def _headline(record: Record) -> str:
    values = [
        value for value in record.values if value.metric == "mpjpe" and value.step == record.conditions.steps
    ]
    shown = "  ".join(f"{value.aggregation or ''} {value.action_mean:.1f}".strip() for value in values)
    return f"MPJPE {shown} mm, {record.cost.latency.median_ms:.0f} ms/window"
