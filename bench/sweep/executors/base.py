"""What an executor is, and what the command line asks of one.

An executor is thin: it hands tasks to ``bench.job.task.run_task`` somewhere and says how each try ended. Which
task comes when, what is tried again and what becomes of results is decided in ``bench.sweep.run``.
"""

from __future__ import annotations

import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bench.devices import device_of
from bench.job.data_cache import DataCache
from bench.job.task import Task, TaskStatus, distributed
from models.errors import InputError

Ended = tuple[Task, TaskStatus]
"""A task, and how a try of it ended."""

MOST_CORES = 8
"""Most workers that are started on a CPU unless another number is asked for."""


@dataclass(frozen=True)
class Request:
    """What the command line asks of an executor.

    Attributes:
        root: folder of the store.
        device: "auto", "cpu", "cuda", "cuda:i" or "mps".
        workers: tasks at once; None for what the executor takes by itself.
        threads: of the CPU, for each worker; None for what the executor takes by itself.
        share: what each worker of a cluster gets, in the words of that cluster (``num_gpus``, ``timeout_min``).
        cache: data sets that this process has loaded already.
    """

    root: Path
    device: str
    workers: int | None = None
    threads: int | None = None
    share: Mapping[str, Any] | None = None
    cache: DataCache = field(default_factory=DataCache)

    def workers_here(self) -> int:
        """Workers on this machine: as many as asked for, else one per GPU, or one per core of a CPU.

        Processes that train together are one worker each.
        """
        if self.workers is not None:
            return self.workers
        if distributed():
            return 1
        if self._on_gpu():
            return max(1, len(self.gpus()))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(MOST_CORES, cores)

    def threads_each(self, workers: int) -> int:
        """CPU threads of each of so many workers on this machine.

        One where the CPU computes: small models gain nothing from more, and a training gives the same bits only
        with the same number of threads. On a GPU, an equal share of what torch takes.
        """
        if self.threads is not None:
            return self.threads
        return max(1, torch.get_num_threads() // workers) if self._on_gpu() else 1

    def gpus(self) -> list[str]:
        """Names of the GPUs that workers on this machine share; none where one GPU is asked for, or the CPU."""
        if not self._on_gpu() or ":" in self.device:
            return []
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        return visible.split(",") if visible else [str(index) for index in range(torch.cuda.device_count())]

    def refuse_share(self) -> None:
        """Complain about a share: for executors on this machine, which have no use for one.

        Raises:
            InputError: there is a share.
        """
        if self.share:
            raise InputError("--share: is for the executors ray and slurm")

    def _on_gpu(self) -> bool:
        return device_of(self.device).type != "cpu"


class Executor(ABC):
    """Does tasks somewhere.

    Attributes:
        slots: number of tasks that it takes at once.
        gpus: names of GPUs that its workers take in turn; none where they all have the same device, or it is not
            known.
        place: "" where tasks see the devices of this process; else a name of where they are done, so that a cost
            that was measured there is not taken for one of this machine.
        root: of the store, the same for all who work on it.
        cache: data sets that this process has loaded already, for the tasks that it does itself.
    """

    slots: int = 1
    gpus: Sequence[str] = ()
    place: str = ""

    def __init__(self, root: Path, cache: DataCache | None = None) -> None:
        """See the attributes; without a cache, this process loads data sets anew."""
        self.root = root.absolute()
        self.cache = cache or DataCache()

    @classmethod
    @abstractmethod
    def from_request(cls, request: Request) -> Executor:
        """The executor that the command line asks for.

        Raises:
            InputError: there is no such device, the executor cannot do what is asked, or it is not installed.
        """

    @abstractmethod
    def submit(self, task: Task, attempt: int) -> None:
        """Begin a task; ``attempt``: how often it was tried before."""

    @abstractmethod
    def collect(self, seconds: float) -> list[Ended]:
        """Tasks that have ended; waits for one, but no longer than ``seconds``.

        Raises:
            OSError: the store cannot be written from where a task is done.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back workers; what they are doing is lost."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def import_optional(module: str, extra: str) -> Any:
    """A library that only one executor needs; the ``extra`` that installs it has the name of that executor.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(
            f'--executor {extra}: {module} is not installed; run `pip install -c constraints.txt -e ".[{extra}]"`'
        ) from None
