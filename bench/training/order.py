"""The windows and the random seed of every training step. They follow from its number alone."""

from __future__ import annotations

import functools

import numpy as np


def step_rows(windows: int, steps: int, seed: int, epoch: int, step: int) -> np.ndarray:
    """Rows of one step: an epoch is a permutation of all ``windows`` rows, cut into ``steps`` nearly equal parts.

    ``epoch``, and ``step`` within it, are counted from 0.
    """
    order = _epoch_order(windows, seed, epoch)
    return order[windows * step // steps : windows * (step + 1) // steps]


def share(rows: np.ndarray, process: int, processes: int) -> np.ndarray:
    """The rows of one of the processes that train together. All get equally many: some rows may be used twice."""
    even = -(-len(rows) // processes) * processes
    return np.resize(rows, even)[process::processes]


def step_seed(seed: int, step: int, process: int) -> int:
    """Seed of all randomness of one step in one process; ``step`` is counted over the whole training."""
    return int(np.random.SeedSequence([seed, step, process]).generate_state(1, np.uint64)[0])


@functools.lru_cache(maxsize=1)
def _epoch_order(windows: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(windows)
