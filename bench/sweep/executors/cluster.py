"""What executors on several machines share. All of their machines see the store's folder."""

from __future__ import annotations

from pathlib import Path

import torch

from bench.job.data_cache import DataCache
from bench.job.task import Task, TaskStatus, run_task

WORKERS = 4
"""Tasks that are handed to a cluster at once unless another number is asked for."""

CACHE = DataCache()
"""Data sets of a worker's process, which does many tasks; empty where tasks are only handed out."""


def run_with_threads(task: Task, root: Path, attempt: int, threads: int) -> TaskStatus:
    """Do a task in a process of its own, with so many threads of the CPU."""
    torch.set_num_threads(threads)
    return run_task(task, root, attempt, CACHE)
