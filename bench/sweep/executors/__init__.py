"""Where pieces of work are done: in this process, or in worker processes on this machine.

An executor is thin: it hands items to ``bench.job.task.run_task`` and says how each try ended. Order,
dependencies, repetition and results are no matter of an executor.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from bench.config.parsing import suggestion
from bench.job.task import Task, TaskStatus, distributed, run_task
from models.errors import InputError

Ended = tuple[Task, TaskStatus]

LEAVE_SECONDS = 5.0

CLUSTER_WORKERS = 4
"""So many items are handed to a cluster at once unless another number is asked for."""

MOST_CORES = 8
"""So many workers are started on a CPU unless another number is asked for."""

EXECUTORS = ("local", "processes", "ray", "slurm")


class Executor(ABC):
    """Does items somewhere.

    Attributes:
        slots: items that it takes at once.
        place: "" where items see the devices of this process; else a name for where they are done, so that a price
            that was measured there is not taken for one of here.
    """

    slots: int = 1
    place: str = ""

    def __init__(self, root: Path) -> None:
        """``root``: of the store, the same for all who work on it."""
        self.root = root.absolute()

    @abstractmethod
    def submit(self, item: Task, attempt: int) -> None:
        """Begin an item; ``attempt``: how often it was tried before."""

    @abstractmethod
    def collect(self, seconds: float) -> list[Ended]:
        """Items that have ended; waits for one, but no longer than ``seconds``.

        Raises:
            OSError: the store cannot be written from where an item is done.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back workers; what they are doing is lost."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Local(Executor):
    """In this process, one after the other."""

    def __init__(self, root: Path, threads: int | None = None) -> None:
        """``threads``: of the CPU, for work in this process; None for as many as torch takes."""
        super().__init__(root)
        self.threads = threads
        self._next: deque[tuple[Task, int]] = deque()

    def submit(self, item: Task, attempt: int) -> None:
        self._next.append((item, attempt))

    def collect(self, seconds: float) -> list[Ended]:
        import torch

        item, attempt = self._next.popleft()
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or before)
        try:
            return [(item, run_task(item, self.root, attempt))]
        finally:
            torch.set_num_threads(before)

    def close(self) -> None:
        """There are no workers."""


class Processes(Executor):
    """Worker processes on this machine. Each has its own threads, and one of the GPUs.

    A worker that dies takes nothing with it but the item that it was doing; another one takes its place.
    """

    def __init__(self, root: Path, workers: int, threads: int = 1, gpus: Sequence[str] = ()) -> None:
        """``gpus``: names, as in CUDA_VISIBLE_DEVICES, that workers take in turn; none to leave that as it is."""
        super().__init__(root)
        self.slots, self.threads, self.gpus = workers, threads, gpus
        self._workers: dict[int, _Worker] = {}

    def submit(self, item: Task, attempt: int) -> None:
        free = (number for number in range(self.slots) if number not in self._busy())
        number = next(free)
        if number not in self._workers:
            self._workers[number] = _Worker(self.root, self._environment(number))
        self._workers[number].begin(item, attempt)

    def collect(self, seconds: float) -> list[Ended]:
        pipes = {number: self._workers[number].pipe for number in self._busy()}
        ready = wait(list(pipes.values()), timeout=seconds)
        return [self._ended(number) for number, pipe in pipes.items() if pipe in ready]

    def _environment(self, number: int) -> dict[str, str]:
        threads = str(self.threads)
        given = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "TQDM_POSITION": str(number)}
        return given | ({"CUDA_VISIBLE_DEVICES": self.gpus[number % len(self.gpus)]} if self.gpus else {})

    def _busy(self) -> list[int]:
        return [number for number, worker in self._workers.items() if worker.item]

    def _ended(self, number: int) -> Ended:
        worker = self._workers[number]
        item = worker.item
        assert item is not None
        try:
            result = worker.pipe.recv()
        except (EOFError, OSError):
            self._workers.pop(number).end()
            return item, "crashed"
        worker.item = None
        if isinstance(result, Exception):
            raise result
        return item, result

    def close(self) -> None:
        for worker in self._workers.values():
            worker.end()
        self._workers = {}


class _Worker:
    """A process that does one item after the other, and the item that it is at."""

    def __init__(self, root: Path, changes: dict[str, str]) -> None:
        context = multiprocessing.get_context("spawn")
        self.item: Task | None = None
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, root), daemon=True)
        with _environment(changes):
            self.process.start()
        theirs.close()

    def begin(self, item: Task, attempt: int) -> None:
        self.item = item
        with suppress(OSError):  # of a worker that has died; ``collect`` finds out
            self.pipe.send((item, attempt))

    def end(self) -> None:
        """An idle worker leaves by itself when its pipe is closed; another one is killed."""
        self.pipe.close()
        if self.item is None:
            self.process.join(LEAVE_SECONDS)
        self.process.kill()
        self.process.join()


def executor_for(
    name: str | None,
    root: Path,
    device: str,
    workers: int | None = None,
    threads: int | None = None,
    share: Mapping[str, Any] | None = None,
) -> Executor:
    """The executor that the command line asks for.

    Args:
        name: one of ``EXECUTORS``; None for this process where there is one worker, else for processes.
        root: of the store.
        device: "auto", "cpu", "cuda" or "cuda:i".
        workers: items at once; None for one per GPU, or one per core of a CPU.
        threads: of the CPU, for each worker. None for one where it is the CPU that computes: small models gain
            nothing from more, and a training gives the same bits only with the same number. On a GPU, for a share.
        share: what each worker of ray or slurm gets, in their words.

    Raises:
        InputError: there is no such device or executor, or it cannot be had here.
    """
    import torch

    from bench.devices import device_of

    if name is not None and name not in EXECUTORS:
        raise InputError(f"--executor {name}: is unknown; {suggestion(name, list(EXECUTORS))}")
    if name in ("ray", "slurm"):
        clusters = importlib.import_module("bench.sweep.executors.clusters")
        made: Executor = {"ray": clusters.Ray, "slurm": clusters.Slurm}[name](
            root, workers or CLUSTER_WORKERS, threads or 1, share or {}
        )
        return made
    if share:
        raise InputError("--share: is for the executors ray and slurm")
    on_gpu = device_of(device).type == "cuda"
    gpus = _gpus() if on_gpu and ":" not in device else []
    workers = workers or (1 if distributed() else len(gpus) if on_gpu else min(MOST_CORES, _cores()))
    threads = threads or (max(1, torch.get_num_threads() // workers) if on_gpu else 1)
    if name == "local" and workers > 1:
        raise InputError(f"--workers {workers}: the executor local is one process; choose --executor processes")
    if name == "local" or (name is None and workers <= 1):
        return Local(root, threads)
    return Processes(root, workers, threads, gpus)


def _gpus() -> list[str]:
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [str(index) for index in range(torch.cuda.device_count())]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """The environment with these changes, for processes that are started meanwhile."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _serve(pipe: Connection, root: Path) -> None:
    """What a worker process does, until its pipe is closed or the process that started it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            item, attempt = pipe.recv()
        except (EOFError, OSError):
            return
        result: TaskStatus | Exception
        try:
            result = run_task(item, root, attempt)
        except (OSError, InputError) as error:
            result = error
        except Exception:
            result = RuntimeError(traceback.format_exc())
        pipe.send(result)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
