"""How fast a device does what methods are made of, measured in seconds, so that work can be forecast.

The time of a training step or a prediction is taken for a sum: so much for every operation that is begun, for
every byte of its results, and for every floating-point operation. The three numbers follow from a few steps and
predictions that are really done; sizes that were never run are then forecast from what is counted of them.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import nnls

from bench.config.registry import METHODS
from bench.devices import synchronise, use_device
from bench.measure import memory
from bench.measure.counts import Counts, count, made_up_batch
from models.lifter import Lifter, Sampling

PROBED = (("tcn", "tiny"), ("mixste", "tiny"), ("tcn", "base"), ("mixste", "base"))
"""Methods and sizes whose steps and predictions are timed: convolutions and attention, small and large."""

ON_CPU, ON_GPU = 1, 64
"""Windows that are predicted at the larger size: a GPU is not busy with few."""

SECONDS = 0.05
"""Least seconds that the calls of one probe take, after the first one."""

OPTIMIZER_BYTES = 4
"""An optimiser writes so many times the bytes of the weights: weights, two moments, and gradients set to zero."""


class Speed(NamedTuple):
    """Seconds for each operation that is begun, each byte of results, and each floating-point operation."""

    per_call: float
    per_byte: float
    per_flop: float

    def seconds(self, counts: Counts) -> float:
        """Seconds that a call of these counts takes."""
        return self.per_call * counts.calls + self.per_byte * counts.moved + self.per_flop * counts.flops


TYPICAL = Speed(per_call=5e-6, per_byte=9e-11, per_flop=1.1e-11)
"""Speed of a core of a server's CPU: enough to tell a short sweep from a long one."""


@functools.cache
def measure_speed(device: torch.device, threads: int | None = None) -> Speed:
    """Measure a device, once in a process; on a CPU this takes about two seconds.

    Args:
        threads: of each worker, where the CPU computes; None for as many as this process has.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    if device.type == "cuda":
        use_device(str(device))  # with the arithmetic of trainings
    try:
        with torch.random.fork_rng():
            timed = [(counts, *_time(call, device)) for counts, call in _probes(device)]
    finally:
        torch.set_num_threads(before)
    if device.type == "cuda":
        memory.release()  # a worker trains beside this process
    speed = fit_speed([(counts, own) for counts, own, _ in timed])
    waiting = sum(wall for _, _, wall in timed) / sum(own for _, own, _ in timed)
    return Speed(*(waiting * number for number in speed))


def fit_speed(observed: Sequence[tuple[Counts, float]]) -> Speed:
    """The speed that explains calls of these counts and seconds best, by the squares of relative errors."""
    counts = np.array([[found.calls, found.moved, found.flops] for found, _ in observed], dtype=float)
    relative = counts / np.array([seconds for _, seconds in observed])[:, None]
    scale = relative.max(axis=0)
    solution, _ = nnls(relative / scale, np.ones(len(relative)))
    return Speed(*(solution / scale).tolist())


def with_optimizer(counts: Counts, weights: float) -> Counts:
    """A step with the work of an optimiser of so many bytes of weights."""
    return counts._replace(moved=counts.moved + int(OPTIMIZER_BYTES * weights))


def _probes(device: torch.device) -> Iterator[tuple[Counts, Callable[[], object]]]:
    """What is timed: calls, and what is counted of them without values."""
    for name, preset in PROBED:
        cls = METHODS.load(name)
        config = cls.resolve_config(cls.presets[preset].config)
        with torch.device("meta"):
            empty = cls(config)
        lifter = cls(config).to(device)
        recipe = cls.presets[preset].recipe
        steps = round(recipe.windows_of_a_step(lifter.train_frames)) if preset == "tiny" else 2
        windows = 2 if preset == "tiny" else ON_CPU if device.type == "cpu" else ON_GPU
        for size, prepare in ((steps, _step), (windows, _prediction)):
            counts = count(prepare(empty, size, torch.device("meta")))
            if counts is not None:
                yield counts, prepare(lifter, size, device)


def _step(lifter: Lifter, windows: int, device: torch.device) -> Callable[[], object]:
    batch = made_up_batch(lifter, windows, lifter.train_frames, True, device)

    def step() -> None:
        lifter.train()
        lifter.training_loss(batch).backward()
        lifter.zero_grad(set_to_none=True)

    return step


def _prediction(lifter: Lifter, windows: int, device: torch.device) -> Callable[[], object]:
    batch = made_up_batch(lifter, windows, lifter.frames, False, device)

    def predict() -> torch.Tensor:
        with torch.inference_mode():
            return lifter.eval().predict(batch, Sampling())

    return predict


def _time(call: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds of a call after the first one: its own, which other programs do not disturb, and those that pass."""
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    call()
    own: list[float] = []
    wall: list[float] = []
    while sum(own) < SECONDS:
        begin, begin_own = time.perf_counter(), clock()
        call()
        synchronise(device)
        own.append(clock() - begin_own)
        wall.append(time.perf_counter() - begin)
    return statistics.median(own), statistics.fmean(wall)
