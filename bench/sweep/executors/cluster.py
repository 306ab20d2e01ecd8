"""What executors on several machines share. All of their machines see the store's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch

from bench.job.data_cache import DataCache
from bench.job.task import Task, TaskStatus, run_task
from bench.sweep.executors.base import Executor, Request

WORKERS = 4
"""Tasks that are handed to a cluster at once unless another number is asked for."""

CACHE = DataCache()
"""Data sets of a worker's process, which does many tasks; empty where tasks are only handed out."""


class ClusterExecutor(Executor):
    """Hands tasks to a cluster; a subclass says to which one."""

    def __init__(self, root: Path, workers: int, threads: int, share: Mapping[str, Any]) -> None:
        """``threads`` of the CPU for each task; subclasses read ``share``, in the words of their cluster."""
        super().__init__(root)
        self.slots, self._threads = workers, threads

    @classmethod
    def from_request(cls, request: Request) -> Self:
        return cls(request.root, request.workers or WORKERS, request.threads or 1, request.share or {})


def run_with_threads(task: Task, root: Path, attempt: int, threads: int) -> TaskStatus:
    """Do a task in a process of its own, with so many threads of the CPU."""
    torch.set_num_threads(threads)
    return run_task(task, root, attempt, CACHE)
