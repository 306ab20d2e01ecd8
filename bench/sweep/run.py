"""Many experiments with nothing done twice.

A sweep has three phases. First trainings and evaluations, side by side. Then costs are measured, one at a time
while this program does nothing else. Then records are completed, logged and kept. What a phase made is in the
store, so the same command goes on from wherever it was stopped.
"""

from __future__ import annotations

import heapq
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass

from tqdm import tqdm

from bench.devices import device_of
from bench.job.pending import PendingWork, StoreContents
from bench.job.pipeline import complete
from bench.job.resolve import Job
from bench.job.task import Task, TaskStatus, first_process, record_failure
from bench.measure.environment import device_label
from bench.results.cost import Measurement
from bench.results.leftovers import remove_leftovers
from bench.results.record import Failure, Record
from bench.results.store import Store
from bench.results.tracking.following import following
from bench.results.tracking.recovery import log_again, warn_of_unreadable
from bench.results.tracking.tracker import Tracker
from bench.sweep.executors.base import Executor
from bench.sweep.executors.local import Local
from bench.sweep.waiting import Waiting
from models.errors import InputError

MOST_TRIES = 3
"""So often a task is begun whose process is lost each time."""

PATIENCE_SECONDS = 0.5
"""After so long a task that another program is doing is tried again."""


@dataclass(frozen=True)
class Outcome:
    """What a call of ``run`` did.

    Attributes:
        records: of the experiments asked for, by id.
        failures: why others have none, by id of the experiment.
        trained, evaluated: numbers of training tasks that this call did, and of experiments that it finished.
    """

    records: dict[str, Record]
    failures: dict[str, Failure]
    trained: int
    evaluated: int


def run(
    jobs: Iterable[Job],
    store: Store,
    device: str,
    executor: Executor | None = None,
    retry_failed: bool = False,
    contents: StoreContents | None = None,
) -> Outcome:
    """Bring every job to a finished record or a recorded failure; what is finished already is not repeated.

    Args:
        jobs: in any order, repeats allowed.
        store: where trainings and records are kept; other programs may work on it at the same time.
        device: "auto", "cpu", "cuda" or "cuda:i".
        executor: where tasks are done; this process by default. It is not closed.
        retry_failed: try again what failed before.
        contents: of the store, where the caller knows them already; they are kept up to date.

    Raises:
        InputError: the device does not exist, or MLflow's store cannot be reached.
        OSError: the store cannot be written.
    """
    executor = executor or Local(store.root)
    pending = PendingWork(jobs, store, device, place_of(executor, device), contents)
    if retry_failed:
        pending.forget_failures()
    trained = evaluated = 0
    if pending.left:
        store.make()
        if first_process() and contents is None:  # else the caller looks once for all its calls
            remove_leftovers(store.root)
        tracker = Tracker(store.root)
        if tracker.is_new and first_process():
            log_again(tracker, store)
        _add_logged(pending, tracker, store)
        with following(tracker, store) if first_process() else nullcontext():
            done = _train_and_evaluate(pending, store, executor)
        trained = sum(task.kind == "train" for task in done)
        if first_process():
            evaluated = _measure_and_log(pending, tracker, store, executor)
    if first_process():
        _fold(store)
    return Outcome(store.records(pending.jobs), pending.failures, trained, evaluated)


def _train_and_evaluate(pending: PendingWork, store: Store, executor: Executor) -> list[Task]:
    """Do the tasks that are pending; those that an interruption ends are saved before anybody looks at them."""
    try:
        return run_tasks(pending.tasks(), executor, store, executor.slots, pending.end_task)
    except KeyboardInterrupt:
        executor.close()
        raise


def place_of(executor: Executor, device: str) -> str:
    """Name of the device that costs are measured on.

    Raises:
        InputError: it does not exist.
    """
    return f"{device} of {executor.place}" if executor.place else device_label(device_of(device))


def run_tasks(
    tasks: Iterable[Task],
    executor: Executor,
    store: Store,
    slots: int,
    ended: Callable[[Task, TaskStatus], None] = lambda task, status: None,
) -> list[Task]:
    """Do tasks, each after those that it needs; what needs one that fails is left out.

    Args:
        tasks: to do.
        executor: where.
        store: gets a failure where the process of a task is lost again and again.
        slots: tasks at once.
        ended: told of every task that is done or has failed.

    Returns:
        Those that were done here, without trainings that were found done.

    Raises:
        InputError: workers cannot be started.
    """
    queue, waiting = _Queue(tasks), Waiting(store)
    done: list[Task] = []
    tries: Counter[str] = Counter()
    while queue.unfinished:
        while (task := queue.next(slots)) is not None:
            executor.submit(task, tries[task.name])
        if not queue.running:
            time.sleep(PATIENCE_SECONDS / 5)
            continue
        for task, status in executor.collect(PATIENCE_SECONDS):
            waiting.note(task, status)
            if status == "done":
                done.append(task)
            status = "done" if status == "found" else status
            tries[task.name] += status == "crashed"
            if tries[task.name] == MOST_TRIES and status == "crashed":
                _record_crash(task, store)
                status = "failed"
            queue.end(task, status)
            if status in ("done", "failed"):
                ended(task, status)
    return done


class _Queue:
    """Which tasks wait for which, are ready, run, or are done."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.tasks = {task.name: task for task in tasks}
        self.order = {
            name: (task.kind != "train", -task.size, n) for n, (name, task) in enumerate(self.tasks.items())
        }
        self.missing = {name: set(task.needs) & self.tasks.keys() for name, task in self.tasks.items()}
        self.needed_by: dict[str, list[str]] = {}
        for name, needs in self.missing.items():
            for need in needs:
                self.needed_by.setdefault(need, []).append(name)
        self.ready = [(0.0, self.order[name], name) for name, needs in self.missing.items() if not needs]
        heapq.heapify(self.ready)
        self.unfinished = set(self.tasks)
        self.running = 0

    def next(self, slots: int) -> Task | None:
        """A task to begin now; None where all slots are taken or nothing is ready."""
        if self.running >= slots or not self.ready or self.ready[0][0] > time.monotonic():
            return None
        self.running += 1
        return self.tasks[heapq.heappop(self.ready)[2]]

    def end(self, task: Task, status: TaskStatus) -> None:
        """Take note of how a try ended; what another program is doing, and what was lost, becomes ready again."""
        self.running -= 1
        if status == "done":
            self.unfinished.discard(task.name)
            for name in self.needed_by.get(task.name, ()):
                self.missing[name].discard(task.name)
                if not self.missing[name]:
                    self._make_ready(name)
        elif status == "failed":
            self._drop(task.name)
        else:
            self._make_ready(task.name, PATIENCE_SECONDS)

    def _make_ready(self, name: str, delay: float = 0.0) -> None:
        heapq.heappush(self.ready, (time.monotonic() + delay if delay else 0.0, self.order[name], name))

    def _drop(self, name: str) -> None:
        self.unfinished.discard(name)
        for dependent in self.needed_by.get(name, ()):
            self._drop(dependent)


def _record_crash(task: Task, store: Store) -> None:
    reason = f"its process ended without a message {MOST_TRIES} times (killed, perhaps because memory ran out)"
    record_failure(store, task.ids, task.title, "crashed", reason)


def measure_costs(
    jobs: Iterable[Job], store: Store, device: str, executor: Executor, contents: StoreContents | None = None
) -> dict[str, Measurement]:
    """What the predictions of these jobs cost, by id, whether they are trained or not; without those that fail.

    Arguments as of ``run``.
    """
    pending = PendingWork(jobs, store, device, place_of(executor, device), contents)
    _measure(pending, pending.left, store, executor)
    found = {name: store.measurements.get(pending.cost_id(job)) for name, job in pending.jobs.items()}
    return {name: measurement for name, measurement in found.items() if measurement is not None}


def _measure(pending: PendingWork, jobs: list[Job], store: Store, executor: Executor) -> None:
    """Measure one cost at a time, while nothing else is done.

    In this process, unless tasks are done on other machines: workers beside it would disturb the measurement.
    """
    place = executor if executor.place else Local(store.root, cache=executor.cache)
    run_tasks(pending.measurements(jobs), place, store, 1, pending.end_task)


def _measure_and_log(pending: PendingWork, tracker: Tracker, store: Store, executor: Executor) -> int:
    """Measure what is evaluated, complete its records, log and keep them.

    Returns:
        The number of new records.
    """
    _measure(pending, pending.evaluated, store, executor)
    new = [job.id for job in pending.evaluated if _complete_and_log(job, pending.cost_id(job), tracker, store)]
    pending.add_finished(new)
    return len(new)


def _complete_and_log(job: Job, cost_id: str, tracker: Tracker, store: Store) -> bool:
    """Turn an evaluation and its cost into a record that is logged and kept, if no other program has."""
    with store.lock("log"):
        evaluation, measurement = store.evaluations.get(job.id), store.measurements.get(cost_id)
        if evaluation is None or measurement is None:
            return False
        record = tracker.log(complete(evaluation, measurement, store), store.files.of(job.id))
        store.add(record)
        store.evaluations.remove(job.id)
    tqdm.write(f"finished {job.title}: {_headline(record)}")
    return True


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
