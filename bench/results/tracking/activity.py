"""What a machine does while something runs on it, and what an evaluation leaves for its run in MLflow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from bench.config.parsing import Frozen
from bench.results.documents import Shelf
from bench.results.tracking.journal import FOLDER

SAMPLE_SECONDS = 2.0
"""Seconds between two looks at the machine."""

MOST_SAMPLES = 30
"""Looks that are averaged: 1 at first, then 2, 4, …, so that a training of days does not fill MLflow."""

Metrics = dict[str, float]


class Activity(Frozen):
    """When an evaluation ran, and what else its run is to say that its record does not.

    Attributes:
        began, ended: milliseconds since 1970.
        system: (milliseconds since 1970, metrics of the machine).
    """

    model_config = ConfigDict(extra="ignore")  # older versions kept the method's options here

    began: int
    ended: int
    system: tuple[tuple[int, Metrics], ...] = ()


def activities(root: Path) -> Shelf[Activity]:
    """Activities of a store by id of the evaluation, each kept until it is logged."""
    return Shelf(root / FOLDER, Activity)


@contextmanager
def watched_system(note: Callable[[Metrics], object]) -> Iterator[None]:
    """Watch the machine while the block runs: processor, memory, and what the GPUs do and draw.

    Args:
        note: is given metrics under MLflow's names ("system/cpu_utilization_percentage") now and then.
    """
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(note, over), name="system metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()  # it is not waited for: what it does is short, and it ends with this process


def _watch(note: Callable[[Metrics], object], over: threading.Event) -> None:
    if over.wait(SAMPLE_SECONDS):
        return
    monitors, number = _monitors(), 1
    while True:
        for _ in range(number):
            for monitor in monitors:
                monitor.collect_metrics()
            if over.wait(SAMPLE_SECONDS):
                return
        found = {f"system/{key}": value for each in monitors for key, value in each.aggregate_metrics().items()}
        with suppress(OSError):  # the disk is full: the training says so itself
            note(found)
        for monitor in monitors:
            monitor.clear_metrics()
        number = min(2 * number, MOST_SAMPLES)


def _monitors() -> list[Any]:
    """MLflow's own."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    try:
        return [CPUMonitor(), GPUMonitor()]
    except (ImportError, RuntimeError):  # there is no GPU that NVML knows
        return [CPUMonitor()]
