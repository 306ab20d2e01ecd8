"""Tasks in worker processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from tqdm import tqdm

from bench.job.data_cache import DataCache
from bench.job.task import Task, TaskStatus, run_task
from bench.sweep.executors.base import Ended, Executor, Request
from models.errors import InputError

LEAVE_SECONDS, SAVE_SECONDS = 5.0, 30.0
"""An idle worker that has not left by then is killed; and one that trains and has not saved its state."""

READY = "ready"
"""What a worker says first."""


class Processes(Executor):
    """Worker processes on this machine. Each has its own threads, and one of the GPUs.

    When a worker dies, only the task that it was doing is lost; a new worker takes its place.
    """

    def __init__(
        self,
        root: Path,
        workers: int,
        threads: int = 1,
        gpus: Sequence[str] = (),
        cache: DataCache | None = None,
    ) -> None:
        """``gpus``: names, as in CUDA_VISIBLE_DEVICES, that workers take in turn; none to leave that as it is."""
        super().__init__(root, cache)
        self.slots, self.threads, self.gpus = workers, threads, gpus
        self._workers: dict[int, _Worker] = {}

    @classmethod
    def from_request(cls, request: Request) -> Processes:
        request.refuse_share()
        workers = request.workers_here()
        return cls(request.root, workers, request.threads_each(workers), request.gpus(), request.cache)

    def submit(self, task: Task, attempt: int) -> None:
        busy = self._busy()
        number = next((number for number in range(self.slots) if number not in busy), None)
        if number is None:
            raise RuntimeError(
                f"all {self.slots} workers are busy: collect a task before the next one is submitted"
            )
        if number not in self._workers:
            self._workers[number] = _Worker(self.root, self.environment_of(number))
        self._workers[number].begin(task, attempt)

    def collect(self, seconds: float) -> list[Ended]:
        pipes = {number: self._workers[number].pipe for number in self._busy()}
        ready = wait(list(pipes.values()), timeout=seconds)
        found = [self._ended(number) for number, pipe in pipes.items() if pipe in ready]
        return [ended for ended in found if ended is not None]

    def environment_of(self, number: int) -> dict[str, str]:
        """Variables that are set in the process of the worker of this number."""
        threads = str(self.threads)
        given = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "TQDM_POSITION": str(number)}
        return given | ({"CUDA_VISIBLE_DEVICES": self.gpus[number % len(self.gpus)]} if self.gpus else {})

    def _busy(self) -> list[int]:
        return [number for number, worker in self._workers.items() if worker.task]

    def _ended(self, number: int) -> Ended | None:
        """What a worker has to say of its task; None if only that it is ready.

        Raises:
            InputError: workers cannot be started from this script.
        """
        worker = self._workers[number]
        task = worker.task
        assert task is not None
        result: TaskStatus | Exception | None = None
        with suppress(EOFError, OSError):
            result = worker.pipe.recv()
        if result is None:
            self._workers.pop(number).end()
            worker.refuse_unguarded_script()
            return task, "crashed"
        if result == READY:
            worker.is_ready = True
            return None
        worker.task = None
        if isinstance(result, Exception):
            raise result
        return task, result

    def close(self) -> None:
        for worker in self._workers.values():
            worker.ask_to_end()
        for worker in self._workers.values():
            worker.end()
        self._workers = {}


class _Worker:
    """A process that does one task after the other, and the task that it is doing now."""

    def __init__(self, root: Path, changes: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("spawn")
        self.task: Task | None = None
        self.is_ready = False
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, root), daemon=True)
        with _changed_environment(changes):
            self._start()
        theirs.close()

    def _start(self) -> None:
        """Start the process.

        Raises:
            SystemExit: this process is a worker itself and still reads the script that started it.
        """
        try:
            self.process.start()
        except RuntimeError as error:
            if "bootstrapping" not in str(error):
                raise
            sys.exit(1)  # the process that wants a worker says why it got none

    def begin(self, task: Task, attempt: int) -> None:
        self.task = task
        with suppress(OSError):  # the worker has died; ``collect`` finds out
            self.pipe.send((task, attempt))

    def refuse_unguarded_script(self) -> None:
        """Complain about a worker that has ended by itself before it was ready: its script cannot be imported.

        Raises:
            InputError: it has.
        """
        main = sys.modules["__main__"]
        is_script = getattr(main, "__spec__", None) is None  # else `python -m`, which workers do not import
        if is_script and not self.is_ready and (self.process.exitcode or 0) > 0:
            raise InputError(
                f"{getattr(main, '__file__', 'this script')}: workers import it again, and ended while they did; "
                'put what it runs under `if __name__ == "__main__":`, or ask for one worker'
            )

    def ask_to_end(self) -> None:
        """An idle worker leaves by itself when its pipe is closed; one that trains saves its state first."""
        self.pipe.close()
        if self.task is not None:
            self.process.terminate()

    def end(self) -> None:
        """Wait for the worker to leave, and kill it if it does not."""
        self.ask_to_end()
        self.process.join(LEAVE_SECONDS if self.task is None else SAVE_SECONDS)
        self.process.kill()
        self.process.join()


@contextmanager
def _changed_environment(changes: Mapping[str, str]) -> Iterator[None]:
    """The environment with these changes, for processes that are started in the block."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _serve(pipe: Connection, root: Path) -> None:
    """Do tasks in a worker process, until its pipe is closed or the process that started it is gone."""
    pipe.send(READY)
    tqdm.set_lock(threading.RLock())  # its own lock is one of the system, which a killed worker would leave behind
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cache = DataCache()
    while True:
        try:
            task, attempt = pipe.recv()
        except (EOFError, OSError):
            return
        result: TaskStatus | Exception
        try:
            result = run_task(task, root, attempt, cache)
        except (OSError, InputError) as error:
            result = error
        except Exception:
            result = RuntimeError(traceback.format_exc())
        if result == "crashed":  # its device is broken: a new process does what comes next
            return
        pipe.send(result)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
