"""Many experiments with nothing done twice.

Work goes in phases. First trainings and evaluations, side by side; then prices, one at a time while nothing else
of this program runs; then records are completed, logged and kept. What a phase made is in the store, so the same
command goes on from wherever it was stopped.
"""

from __future__ import annotations

import heapq
import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tqdm import tqdm

from bench.devices import device_of
from bench.job.pending import PendingWork, needed_ids, pending_work
from bench.job.pipeline import complete
from bench.job.resolve import Job
from bench.job.task import Task, TaskStatus, first_process, record_failure
from bench.measure.environment import device_label
from bench.results.cost import Measurement
from bench.results.record import Failure, Record
from bench.results.store import Store
from bench.results.tracking import Tracker
from bench.sweep.executors.base import Executor
from bench.sweep.executors.local import Local
from bench.training.trainer import end_together

MOST_TRIES = 3
"""So often an item is begun whose process is lost each time."""

PATIENCE_SECONDS = 0.5
"""Between two looks at an item that another program is doing."""


@dataclass(frozen=True)
class Outcome:
    """What a call of ``run`` did.

    Attributes:
        records: of the experiments asked for, by id.
        failures: why others have none, by id of the experiment.
        trained, evaluated: trainings and experiments finished by this call.
    """

    records: dict[str, Record]
    failures: dict[str, Failure]
    trained: int
    evaluated: int


def run(
    jobs: Iterable[Job], store: Store, device: str, executor: Executor | None = None, retry_failed: bool = False
) -> Outcome:
    """Bring every job to a finished record or a recorded failure; what is finished already is not repeated.

    Args:
        jobs: in any order, repeats allowed.
        store: where trainings and records are kept; other programs may work on it at the same time.
        device: "auto", "cpu", "cuda" or "cuda:i".
        executor: where work is done; this process by default. It is not closed.
        retry_failed: try again what failed before.

    Raises:
        InputError: the device does not exist, or MLflow's store cannot be reached.
        OSError: the store cannot be written.
    """
    executor = executor or Local(store.root)
    where = place_of(executor, device)
    wanted = {job.id: job for job in jobs}
    todo = pending_work(wanted.values(), store, device, where)
    if retry_failed and todo.failures:
        _forget(todo, store)
        todo = pending_work(wanted.values(), store, device, where)
    trained = evaluated = 0
    if todo.left:
        tracker = Tracker(store.root)
        todo = _with_logged(todo, tracker, store, device, where)
        done = work_off(todo.work, executor, store, executor.slots)
        trained = sum(item.kind == "train" for item in done)
        if first_process():
            evaluated = _price_and_log(
                pending_work(wanted.values(), store, device, where), tracker, store, executor
            )
            store.fold()
    end_together()
    failures = pending_work(wanted.values(), store, device, where).failures
    return Outcome(store.records(wanted), failures, trained, evaluated)


def place_of(executor: Executor, device: str) -> str:
    """Name of the device that prices are measured on.

    Raises:
        InputError: it does not exist.
    """
    return f"{device} of {executor.place}" if executor.place else device_label(device_of(device))


def work_off(items: Iterable[Task], executor: Executor, store: Store, slots: int) -> list[Task]:
    """Do items, each after those that it needs; what needs one that fails is left out.

    Returns:
        Those that are done.
    """
    board = _Board(items)
    tries: Counter[str] = Counter()
    while board.unfinished:
        while (item := board.next(slots)) is not None:
            executor.submit(item, tries[item.name])
        if not board.running:
            time.sleep(PATIENCE_SECONDS / 5)
            continue
        for item, report in executor.collect(PATIENCE_SECONDS):
            tries[item.name] += report == "crashed"
            if tries[item.name] == MOST_TRIES and report == "crashed":
                _record_crash(item, store)
                report = "failed"
            board.ended(item, report)
    return board.done


class _Board:
    """Which items wait for which, are ready, run, or are done."""

    def __init__(self, items: Iterable[Task]) -> None:
        self.items = {item.name: item for item in items}
        self.order = {
            name: (item.kind != "train", -item.size, n) for n, (name, item) in enumerate(self.items.items())
        }
        self.missing = {name: set(item.needs) & self.items.keys() for name, item in self.items.items()}
        self.needed_by: dict[str, list[str]] = {}
        for name, needs in self.missing.items():
            for need in needs:
                self.needed_by.setdefault(need, []).append(name)
        self.ready = [(0.0, self.order[name], name) for name, needs in self.missing.items() if not needs]
        heapq.heapify(self.ready)
        self.unfinished = set(self.items)
        self.running = 0
        self.done: list[Task] = []

    def next(self, slots: int) -> Task | None:
        """An item to begin now; None where all slots are taken or nothing is ready."""
        if self.running >= slots or not self.ready or self.ready[0][0] > time.monotonic():
            return None
        self.running += 1
        return self.items[heapq.heappop(self.ready)[2]]

    def ended(self, item: Task, report: TaskStatus) -> None:
        self.running -= 1
        if report == "done":
            self.done.append(item)
            self.unfinished.discard(item.name)
            for name in self.needed_by.get(item.name, ()):
                self.missing[name].discard(item.name)
                if not self.missing[name]:
                    self._make_ready(name)
        elif report == "failed":
            self._drop(item.name)
        else:
            self._make_ready(item.name, PATIENCE_SECONDS)

    def _make_ready(self, name: str, delay: float = 0.0) -> None:
        heapq.heappush(self.ready, (time.monotonic() + delay if delay else 0.0, self.order[name], name))

    def _drop(self, name: str) -> None:
        self.unfinished.discard(name)
        for dependent in self.needed_by.get(name, ()):
            self._drop(dependent)


def _record_crash(item: Task, store: Store) -> None:
    reason = f"its process ended without a word {MOST_TRIES} times (killed, perhaps for want of memory)"
    record_failure(store, item.ids, item.title, "crashed", reason)


def measure_costs(jobs: Iterable[Job], store: Store, device: str, executor: Executor) -> dict[str, Measurement]:
    """What the predictions of these jobs cost, by id, whether they are trained or not; without those that fail."""
    todo = pending_work(jobs, store, device, place_of(executor, device))
    _measure(todo.prices, store, executor)
    found = {name: store.measurements.get(price) for name, price in todo.cost_id_of.items()}
    return {name: price for name, price in found.items() if price is not None}


def _measure(prices: list[Task], store: Store, executor: Executor) -> None:
    """One price at a time, where nothing else is done: in this process, unless work is done elsewhere."""
    work_off(prices, executor if executor.place else Local(store.root), store, slots=1)


def _price_and_log(todo: PendingWork, tracker: Tracker, store: Store, executor: Executor) -> int:
    """Measure what is evaluated, complete its records, log and keep them; the number of those."""
    waiting = [job for job in todo.left if job.id in store.evaluations]
    needed = {todo.cost_id_of[job.id] for job in waiting}
    _measure([item for item in todo.prices if item.id in needed], store, executor)
    logged = 0
    for job in waiting:
        logged += _finish(job, todo.cost_id_of[job.id], tracker, store)
    return logged


def _finish(job: Job, price: str, tracker: Tracker, store: Store) -> bool:
    """Turn an evaluation and its price into a record that is logged and kept, if nobody else has."""
    with store.lock("log"):
        evaluation, priced = store.evaluations.get(job.id), store.measurements.get(price)
        if evaluation is None or priced is None:
            return False
        record = tracker.log(complete(evaluation, priced, store), store.files.of(job.id))
        store.add(record)
        store.evaluations.remove(job.id)
    tqdm.write(f"finished {job.title}: {_headline(record)}")
    return True


def _with_logged(todo: PendingWork, tracker: Tracker, store: Store, device: str, where: str) -> PendingWork:
    """The work left without what MLflow holds: the index may be lost, or other stores log to the same place."""
    if store.index.exists() and "MLFLOW_TRACKING_URI" not in os.environ:
        return todo
    found = tracker.find({job.id for job in todo.left})
    for record in found:
        store.add(record)
    return pending_work(todo.jobs.values(), store, device, where) if found else todo


def _forget(todo: PendingWork, store: Store) -> None:
    for name in todo.failures:
        for needed in needed_ids(todo.jobs[name], todo.cost_id_of[name]):
            store.failures.remove(needed)


def _headline(record: Record) -> str:
    values = [
        value for value in record.values if value.metric == "mpjpe" and value.step == record.conditions.steps
    ]
    shown = "  ".join(f"{value.aggregation or ''} {value.action_mean:.1f}".strip() for value in values)
    return f"MPJPE {shown} mm, {record.cost.latency.median_ms:.0f} ms/window"
