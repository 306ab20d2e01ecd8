"""The interval that a record keeps of its own mean: a bootstrap over the takes of one training.

Frames of one take, and the cameras that saw it, are not independent; another test set would hold other takes. So
takes are resampled, with all their frames and cameras, within each action (a stratified cluster bootstrap).

Shapes: T takes, R resamples.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike

from bench.results.statistics.intervals import LEVEL
from bench.results.statistics.variance import action_strata

RESAMPLES = 2000


def interval(
    errors: ArrayLike,
    frames: ArrayLike,
    actions: ArrayLike,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile interval of ``action_mean`` of one training, as records keep it.

    From an action with n takes, n - 1 are drawn with replacement, which makes the variance unbiased also for the
    two or four takes that an action has (Rao and Wu, JASA 83, 1988, section 2). A single take shows no spread
    between takes, so actions with one take are resampled among themselves instead, which widens the interval
    (collapsed strata). A single action of that kind adds nothing to the interval.

    Args:
        errors, frames, actions: as for ``action_mean``.
        seed: the same one gives the same interval.
        resamples: R.

    Returns:
        (low, high), each ``[...]``.
    """
    weights = _resampled(tuple(np.asarray(actions).tolist()), tuple(np.asarray(frames).tolist()), seed, resamples)
    replicates = np.asarray(errors, np.float64) @ weights
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail], axis=-1, overwrite_input=True)
    return low, high


@functools.lru_cache(maxsize=16)
def _resampled(actions: tuple[str, ...], frames: tuple[float, ...], seed: int, resamples: int) -> np.ndarray:
    """``[T, R]``: the weight of each take's sum of errors in the action mean of every resample."""
    strata, counts, rng = action_strata(actions), np.asarray(frames, np.float64), np.random.default_rng(seed)
    single = np.concatenate([members for members in strata if len(members) == 1] or [np.empty(0, np.int64)])
    draws = np.ones((len(counts), resamples))  # how often each take is drawn
    for members in [*(members for members in strata if len(members) > 1), single]:
        if len(members) > 1:
            chances = np.full(len(members), 1 / len(members))
            draws[members] = rng.multinomial(len(members) - 1, chances, resamples).T
    weights = np.empty_like(draws)
    unbiased = len(single) / (len(single) - 1) if len(single) > 1 else 1.0
    for members in strata:
        if len(members) > 1:
            weights[members] = draws[members] / (counts[members] @ draws[members])
        else:
            weights[members] = draws[members] * unbiased / counts[members]
    return weights / len(strata)
