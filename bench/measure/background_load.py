"""Other processes that predict while this one is measured."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

import torch

from bench.config.experiment import Experiment

LOOK_SECONDS = 1.0


@contextmanager
def background_load(experiment: Experiment, root: Path, device: torch.device, count: int) -> Iterator[None]:
    """Let ``count`` processes make the predictions of an experiment, over and over, until the block ends.

    They and this process share the CPU's threads equally, as workers of a sweep do.

    Raises:
        RuntimeError: one of them ended before it began to predict.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    begun = [context.Event() for _ in range(count)]
    before = torch.get_num_threads()
    threads = max(1, before // (1 + count))
    processes = [
        context.Process(target=_predict, args=(experiment, root, device, threads, event, stop), daemon=True)
        for event in begun
    ]
    for process in processes:
        process.start()
    torch.set_num_threads(threads)
    try:
        for process, event in zip(processes, begun, strict=True):
            while not event.wait(LOOK_SECONDS):
                if not process.is_alive():
                    raise RuntimeError(
                        f"a process that predicts beside the measured one ended ({process.exitcode})"
                    )
        yield
    finally:
        torch.set_num_threads(before)
        stop.set()
        for process in processes:
            process.join()


def _predict(
    experiment: Experiment, root: Path, device: torch.device, threads: int, begun: Event, stop: Event
) -> None:
    from bench.devices import autocast
    from bench.job.pipeline import ready_to_predict
    from bench.job.resolve import resolve
    from bench.measure.cost import inputs_of
    from bench.results.store import Store

    torch.set_num_threads(threads)
    lifter, windows, sampling = ready_to_predict(resolve(experiment), Store(root), device)
    inputs = inputs_of(windows, experiment.measurement.batch, device)
    with torch.inference_mode(), autocast(device, experiment.evaluation.precision):
        while not stop.is_set():
            for batch in inputs:
                lifter.predict(batch, sampling)
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                begun.set()
                if stop.is_set():
                    break
