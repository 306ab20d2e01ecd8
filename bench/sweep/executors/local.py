"""Tasks in this process, one after the other."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import torch

from bench.job.data_cache import DataCache
from bench.job.task import Task, run_task
from bench.sweep.executors.base import Ended, Executor, Request
from models.errors import InputError


class Local(Executor):
    """In this process, one after the other."""

    def __init__(self, root: Path, threads: int | None = None, cache: DataCache | None = None) -> None:
        """``threads``: of the CPU, for work in this process; None for as many as torch takes."""
        super().__init__(root, cache)
        self.threads = threads
        self._waiting: deque[tuple[Task, int]] = deque()

    @classmethod
    def from_request(cls, request: Request) -> Local:
        request.refuse_share()
        if request.workers is not None and request.workers > 1:
            raise InputError(
                f"--workers {request.workers}: the executor local is one process; choose --executor processes"
            )
        return cls(request.root, request.threads_each(workers=1), request.cache)

    def submit(self, task: Task, attempt: int) -> None:
        self._waiting.append((task, attempt))

    def collect(self, seconds: float) -> list[Ended]:
        """Do the task that has waited longest, however long it takes.

        Raises:
            InputError: it broke the device; whatever this process did next on it would fail.
        """
        task, attempt = self._waiting.popleft()
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or before)
        try:
            status = run_task(task, self.root, attempt, self.cache)
        finally:
            torch.set_num_threads(before)
        if status == "crashed":
            raise InputError(
                f"{task.title}: its device cannot be used by this process any more, and why is recorded; run the "
                "same command again to go on"
            )
        return [(task, status)]

    def close(self) -> None:
        """There are no workers."""
