"""Doing tasks in an order: each after those that it needs, some at once, again where a process was lost."""

from __future__ import annotations

import heapq
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from filelock import Timeout

from bench.job.task import Task, TaskStatus, has_failed, record_failure
from bench.results import locks
from bench.results.locks import Lock, Patience, Watch
from bench.results.store import Store
from bench.sweep.executors.base import Executor

MOST_TRIES = 3
"""Most tries of a task whose process is lost each time."""

PATIENCE_SECONDS = 0.5
"""Seconds between two looks at a task of another program, and before a task that was lost is tried again."""


def run_tasks(
    tasks: Iterable[Task],
    executor: Executor,
    store: Store,
    slots: int,
    ended: Callable[[Task, TaskStatus], None] = lambda task, status: None,
    meanwhile: Callable[[], bool] = lambda: False,
    begun: Callable[[Task], None] = lambda task: None,
) -> list[Task]:
    """Do tasks, each after those that it needs; what needs one that fails is left out.

    Args:
        store: gets a failure where the process of a task is lost again and again.
        slots: tasks at once.
        ended: told of every task that is done, was found done, or has failed.
        meanwhile: done between two looks at the executor; returns whether to do it again soon.
        begun: told of every task that a worker is given.

    Returns:
        Those that were done here, without those that were found done.

    Raises:
        InputError: workers cannot be started.
    """
    queue, waiting = _Queue(in_order(tasks, store, slots)), _Waiting(store)
    done: list[Task] = []
    tries: Counter[str] = Counter()
    while queue.unfinished:
        for name in waiting.no_longer_held():
            queue.make_ready(name)
        while (task := queue.next(slots)) is not None:
            begun(task)
            executor.submit(task, tries[task.name])
        again = meanwhile()
        if not queue.running:
            time.sleep(PATIENCE_SECONDS / 5)
            continue
        for task, status in executor.collect(0.0 if again else PATIENCE_SECONDS):
            waiting.note(task, status)
            if status == "done":
                done.append(task)
            if status == "crashed" and has_failed(task, store):  # it said why before its process ended
                status = "failed"
            tries[task.name] += status == "crashed"
            if tries[task.name] == MOST_TRIES and status == "crashed":
                times = f"{MOST_TRIES} times (killed, perhaps because memory ran out)"
                reason = f"its process ended without a message {times}"
                names = [name for name in task.ids if name not in store.failures]
                record_failure(store, names, task.title, "crashed", reason, task.experiments[0])
                status = "failed"
            queue.end(task, status)
            if status in ("done", "found", "failed"):
                ended(task, status)
    return done


def in_order(tasks: Iterable[Task], store: Store, slots: int) -> list[Task]:
    """Tasks in the given order, but for long ones at its end, which come so early that no slot waits for them.

    Where tasks are done one at a time the order stays: processes that train together must agree on it. Each task
    stands after those that it needs; the store knows how long such tasks took.
    """
    listed = list(tasks)
    if slots == 1:
        return listed
    seconds = _seconds(listed, store)
    chain: dict[str, float] = {}  # of a task and the longest of those that need it
    for task in reversed(listed):
        chain[task.name] = chain.get(task.name, 0.0) + seconds[task.name]
        for need in task.needs:
            chain[need] = max(chain.get(need, 0.0), chain[task.name])
    begins, keys = 0.0, {}
    total = sum(seconds.values())
    for task in listed:
        keys[task.name] = min(begins, total - slots * chain[task.name])
        begins += seconds[task.name]
    return sorted(listed, key=lambda task: keys[task.name])


def _seconds(tasks: Sequence[Task], store: Store) -> Mapping[str, float]:
    """About how long each task takes: as one like it took, else by size as others of its kind.

    Where no time of a kind is known, a training of mean size counts as 1 and everything else as nothing.
    """
    known = {task.name: found.seconds for task in tasks if (found := store.times.get(task.duration_key))}
    rates = {}
    for kind in {task.kind for task in tasks}:
        of_kind = [task for task in tasks if task.kind == kind]
        timed = [task for task in of_kind if task.name in known]
        size = sum(task.size for task in timed or of_kind) or 1.0
        rates[kind] = (sum(known[task.name] for task in timed) or len(of_kind) * (kind == "train")) / size
    return {task.name: known.get(task.name, rates[task.kind] * task.size) for task in tasks}


class _Queue:
    """Which tasks wait for which, are ready, run, or are done."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.tasks = {task.name: task for task in tasks}
        self.order = {name: n for n, name in enumerate(self.tasks)}
        self.missing = {name: set(task.needs) & self.tasks.keys() for name, task in self.tasks.items()}
        self.needed_by: dict[str, list[str]] = defaultdict(list)
        for name, needs in self.missing.items():
            for need in needs:
                self.needed_by[need].append(name)
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
        """Take note of how a try ended; what was lost becomes ready again.

        What another program is doing is made ready again by who sees that its lock is free.
        """
        self.running -= 1
        if status in ("done", "found"):
            self.unfinished.discard(task.name)
            for name in self.needed_by[task.name]:
                self.missing[name].discard(task.name)
                if not self.missing[name]:
                    self.make_ready(name)
        elif status == "failed":
            self._drop(task.name)
        elif status == "crashed":
            self.make_ready(task.name, PATIENCE_SECONDS)

    def make_ready(self, name: str, delay: float = 0.0) -> None:
        """Let a task that waits for nothing else begin, after a delay."""
        heapq.heappush(self.ready, (time.monotonic() + delay if delay else 0.0, self.order[name], name))

    def _drop(self, name: str) -> None:
        self.unfinished.discard(name)
        for dependent in self.needed_by[name]:
            self._drop(dependent)


class _Waiting:
    """Waits for tasks that other programs are doing: says for whom, and passes over those without a sign of life.

    Their locks are looked at here, and a task is not submitted again before its lock is free: a try may be a job
    that a cluster has to start. So how long a holder was silent is known, however long tries take.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watches: dict[str, Watch] = {}
        self._patience = Patience()
        self._last_end = self._next_look = time.monotonic()

    def note(self, task: Task, status: TaskStatus) -> None:
        """Note how a try of a task ended."""
        if status == "busy":
            self._watches[task.name] = Watch(self._store.lock(task.name), task.title)
        else:
            self._last_end = time.monotonic()

    def no_longer_held(self) -> list[str]:
        """Names of tasks whose locks are free by now; they are no longer waited for.

        Looks every ``PATIENCE_SECONDS``, and finds none in between.
        """
        now = time.monotonic()
        if not self._watches or now < self._next_look:
            return []
        self._next_look = now + PATIENCE_SECONDS
        for watch in self._watches.values():
            watch.look()
        free = [name for name, watch in self._watches.items() if _is_free(watch.lock)]
        for name in free:
            del self._watches[name]
        if self._watches and now - self._last_end >= locks.SAY_SECONDS:
            first, others = next(iter(self._watches.values())), len(self._watches) - 1
            more = f" and {others} other task{'s' * (others > 1)}" if others else ""
            self._patience.tell(first, more)
        return free


def _is_free(lock: Lock) -> bool:
    try:
        with lock.acquire(timeout=0):
            return True
    except Timeout:
        return False
