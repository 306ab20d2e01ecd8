"""Tasks of a sweep that other programs are doing."""

from __future__ import annotations

import time

from bench.job.task import Task
from bench.results import locks
from bench.results.locks import Patience, Watch
from bench.results.store import Store
from bench.sweep.executors.base import Status


class Waiting:
    """Says who is waited for when nothing else goes on, and passes over those without a sign of life.

    The process that tries a task finds it busy and leaves it at that: only the sweep sees over a longer time
    whether its holder gives signs of life.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watches: dict[str, Watch] = {}
        self._patience = Patience()
        self._last_end = time.monotonic()

    def note(self, task: Task, status: Status) -> None:
        """Note how a try of a task ended."""
        if status != "busy":
            self._watches.pop(task.name, None)
            self._last_end = time.monotonic()
            return
        if task.name not in self._watches:
            self._watches[task.name] = Watch(self._store.lock(task.name), task.title)
        self._watches[task.name].look()
        if time.monotonic() - self._last_end >= locks.SAY_SECONDS:
            first, others = next(iter(self._watches.values())), len(self._watches) - 1
            more = f" and {others} other task{'s' * (others > 1)}" if others else ""
            self._patience.tell(first, more)
