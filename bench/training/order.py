"""The windows and the random seed of every training step. They follow from its number alone."""

from __future__ import annotations

import numpy as np


def epoch_rows(flips: np.ndarray, half: bool, seed: int, epoch: int) -> np.ndarray:
    """Rows of an epoch, counted from 0, in the order in which they are trained on.

    Args:
        flips: ``[n]`` of every window, 0, or 1 for a mirrored copy. Either all plain windows have one, in the same
            order, or none has.
        half: take each window once, as it is or mirrored with probability one half; otherwise take all rows.
        seed: of the training.
    """
    rng = np.random.default_rng([seed, epoch])
    if not half or not flips.any():
        return rng.permutation(len(flips))
    plain, mirrored = np.flatnonzero(flips == 0), np.flatnonzero(flips)
    return rng.permutation(np.where(rng.random(len(plain)) < 0.5, mirrored, plain))


def step_rows(rows: np.ndarray, steps: int, step: int, size: int | None = None) -> np.ndarray:
    """Rows of one of the ``steps`` of an epoch, counted from 0: nearly equal parts, or ``size`` rows each."""
    if size is not None:
        return rows[size * step : size * (step + 1)]
    return rows[len(rows) * step // steps : len(rows) * (step + 1) // steps]


def share(rows: np.ndarray, process: int, processes: int) -> np.ndarray:
    """The rows of one of the processes that train together. All get equally many: some rows may be used twice."""
    even = -(-len(rows) // processes) * processes
    return np.resize(rows, even)[process::processes]


def step_seed(seed: int, step: int, process: int) -> int:
    """Seed of all randomness of one step in one process; ``step`` is counted over the whole training."""
    return int(np.random.SeedSequence([seed, step, process]).generate_state(1, np.uint64)[0])
