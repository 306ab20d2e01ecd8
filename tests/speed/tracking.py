"""What live tracking costs a training: ``python -m tests.speed.tracking --method d3dp --preset tiny``.

The same training is done with and without tracking in turns, on one thread of the CPU. Beside the ratio of the
two, which is as noisy as the machine, the processor time of tracking itself is counted: in the training's thread
(points of the curves), and in the threads that watch the machine and send to MLflow.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch

from bench.config.experiment import parse
from bench.data.windows import training_windows
from bench.job.blueprint import step_windows
from bench.job.describe import describe_training
from bench.job.jobs import Job
from bench.job.resolve import resolve
from bench.results.store import Store
from bench.results.tracking.following import following
from bench.results.tracking.journal import Journal, path_of
from bench.results.tracking.tracker import Tracker
from bench.training.accelerator import accelerator_for
from bench.training.curves import Curves
from bench.training.selection import CheckpointSelector
from bench.training.trainer import train


class Took(NamedTuple):
    """Seconds of one training: of the clock, of its thread, in it for the curves, and of all other threads."""

    wall: float
    thread: float
    curves: float
    others: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.speed.tracking", description=__doc__)
    parser.add_argument("--method", default="d3dp")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    job = resolve(parse({"method": {"name": given.method, "preset": given.preset}, "training": {"epochs": 1}}))
    with tempfile.TemporaryDirectory() as folder:
        stores = [Store(Path(folder, str(number))) for number in range(2 * given.rounds + 1)]
        trackers = [Tracker(store.root) for store in stores[::2]]
        trained(job, given.steps, stores[-1], trackers[-1])  # what is imported and allocated once
        pairs = []
        for number, tracker in enumerate(trackers[:-1]):
            first, second = stores[2 * number : 2 * number + 2]
            pairs.append((trained(job, given.steps, first, tracker), trained(job, given.steps, second, None)))
    for name in ("wall", "thread"):
        with_, without = ([getattr(took, name) for took in side] for side in zip(*pairs, strict=True))
        ratios = sorted(a / b for a, b in zip(with_, without, strict=True))
        between = f"{ratios[0]:.4f} to {ratios[-1]:.4f}"
        print(f"{name}: {median(with_):.2f} s with, {median(without):.2f} s without, ratio {between}")
    curves = median(1000 * with_.curves / with_.wall for with_, _ in pairs)
    others = median(1000 * (with_.others - without.others) / with_.wall for with_, without in pairs)
    print(f"per second of the clock: {curves:.2f} ms in the training's thread, {others:.2f} ms in other threads")


def trained(job: Job, steps: int, store: Store, tracker: Tracker | None) -> Took:
    """Train so many steps from fresh weights, with tracking where there is a tracker."""
    training, lifter = job.training, job.training.build()
    windows = training_windows(job.train.train, lifter, training.recipe.flips)
    batch = step_windows(training, lifter)
    rows = np.arange(steps * batch) % len(windows)
    selectors = [CheckpointSelector("last", windows, store.training(training.id))]
    journal, spent = None, [0.0]
    if tracker is not None:
        journal = Journal(path_of(store.root, training.id), (describe_training(training),))
    real = {name: getattr(Curves, name) for name in ("add", "note_step")}
    for name, method in real.items():
        setattr(Curves, name, timed(method, spent))
    try:
        with following(tracker, store) if tracker is not None else nullcontext():
            wall, thread, process = time.monotonic(), time.thread_time(), time.process_time()
            train(
                lifter, windows, selectors, training.recipe, store.training("unfinished"),
                accelerator_for("cpu", "fp32"), training.title, order=lambda epoch: rows, journal=journal,
            )  # fmt: skip
            mine = time.thread_time() - thread
            took = Took(time.monotonic() - wall, mine, spent[0], time.process_time() - process - mine)
    finally:
        for name, method in real.items():
            setattr(Curves, name, method)
    return took


def timed(method: Any, spent: list[float]) -> Any:
    """A method of the curves that adds its time to ``spent``."""

    def call(self: Curves, *arguments: Any, **more: Any) -> Any:
        began = time.thread_time()
        result = method(self, *arguments, **more)
        spent[0] += time.thread_time() - began
        return result

    return call


if __name__ == "__main__":
    main()
