"""Processes that compute while this one is measured."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event

import torch

POLL_SECONDS = 1.0  # how often a process that has not yet begun its work is checked for having died


@contextmanager
def background_load(work: Callable[[], Iterator[object]], count: int) -> Iterator[None]:
    """Let ``count`` processes work until the block ends; it is entered when each of them has done a first piece.

    They and this process share the CPU's threads equally, as the workers of a sweep do. ``work`` is picklable and
    yields after every piece.

    Raises:
        RuntimeError: one of them ended before the block did.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    begun = [context.Event() for _ in range(count)]
    threads_before = torch.get_num_threads()
    threads = max(1, threads_before // (1 + count))
    processes = [
        context.Process(target=_work_until, args=(stop, event, work, threads), daemon=True) for event in begun
    ]
    for process in processes:
        process.start()
    torch.set_num_threads(threads)
    try:
        for process, event in zip(processes, begun, strict=True):
            while not event.wait(POLL_SECONDS):
                _refuse_ended(process)
        yield
        for process in processes:
            _refuse_ended(process)
    finally:
        torch.set_num_threads(threads_before)
        stop.set()
        for process in processes:
            process.join()


def _refuse_ended(process: BaseProcess) -> None:
    if not process.is_alive():
        raise RuntimeError(f"a process that predicts beside the measured one ended ({process.exitcode})")


def _work_until(stop: Event, begun: Event, work: Callable[[], Iterator[object]], threads: int) -> None:
    """Work in the process of one worker, until it is told to stop."""
    torch.set_num_threads(threads)
    for _ in work():
        begun.set()
        if stop.is_set():
            return
