"""How far an average over actions can be trusted: bootstrap over takes.

Frames of one take, and the cameras that saw it, are not independent; another test set would hold other takes. So
takes are resampled, with all their frames and cameras, within each action (a stratified cluster bootstrap).

Shapes: V values, T takes, A actions, R resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two methods on the same takes, first minus second, in the unit of the errors.

    Attributes:
        difference: of the action means.
        low, high: its 95 % interval.
        p_value: two-sided, of no difference; not below 1 / (resamples + 1).
    """

    difference: float
    low: float
    high: float
    p_value: float

    @property
    def indistinguishable(self) -> bool:
        """Whether the interval admits that there is no difference."""
        return self.low <= 0 <= self.high


def action_mean(errors: ArrayLike, frames: ArrayLike, actions: ArrayLike) -> np.ndarray:
    """Mean over actions of (sum of errors / frames), as papers print it.

    Args:
        errors: ``[..., T]`` sum of errors of each take.
        frames: ``[T]`` its frames.
        actions: ``[T]`` its action, any labels.

    Returns:
        ``[...]``.
    """
    errors, frames = np.asarray(errors, np.float64), np.asarray(frames, np.float64)
    members = _strata(actions)
    return np.mean([errors[..., m].sum(-1) / frames[m].sum() for m in members], axis=0)


def interval(
    errors: ArrayLike,
    frames: ArrayLike,
    actions: ArrayLike,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile interval of ``action_mean``.

    From an action with n takes, n - 1 are drawn with replacement, which makes the variance unbiased also for the
    two or four takes that an action has (Rao and Wu, JASA 83, 1988, section 2). Actions with a single take say
    nothing about takes; they are resampled among themselves instead, which widens the interval (collapsed
    strata). With a single such action nothing is known of its spread, and it adds none.

    Args:
        errors, frames, actions: as for ``action_mean``.
        rng: the same state gives the same interval.
        resamples: R.

    Returns:
        (low, high), each ``[...]``.
    """
    replicates = _replicates(errors, frames, actions, rng, resamples)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail], axis=-1)
    return low, high


def paired_difference(
    errors: ArrayLike,
    other: ArrayLike,
    frames: ArrayLike,
    actions: ArrayLike,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> PairedDifference:
    """Compare two methods that were evaluated on the same frames.

    The same takes are drawn for both, so that what makes a take hard for either cancels.

    Args:
        errors, other: ``[T]`` sums of errors of the two methods.
        frames, actions, rng, resamples: as for ``interval``.
    """
    gap = np.asarray(errors, np.float64) - np.asarray(other, np.float64)
    replicates = _replicates(gap, frames, actions, rng, resamples)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    beyond = min(np.count_nonzero(replicates <= 0), np.count_nonzero(replicates >= 0))
    p_value = min(1.0, 2 * (beyond + 1) / (resamples + 1))
    return PairedDifference(float(action_mean(gap, frames, actions)), float(low), float(high), p_value)


def _replicates(
    errors: ArrayLike, frames: ArrayLike, actions: ArrayLike, rng: np.random.Generator, resamples: int
) -> np.ndarray:
    """Action means ``[..., R]`` of resampled takes."""
    errors, frames = np.asarray(errors, np.float64), np.asarray(frames, np.float64)
    strata = _strata(actions)
    total = np.zeros((*errors.shape[:-1], resamples))
    for members in strata:
        if len(members) > 1:
            draws = _draws(len(members), resamples, rng)
            total += errors[..., members] @ draws / (frames[members] @ draws)
    single = np.concatenate([members for members in strata if len(members) == 1] or [np.empty(0, np.int64)])
    if len(single) > 1:
        draws = _draws(len(single), resamples, rng)
        total += (errors[..., single] / frames[single]) @ draws * (len(single) / (len(single) - 1))
    elif len(single):
        total += errors[..., single] / frames[single]
    return total / len(strata)


def _draws(size: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """``[size, R]``: how often each member is drawn when ``size - 1`` are drawn with replacement."""
    return rng.multinomial(size - 1, np.full(size, 1 / size), resamples).T.astype(np.float64)


def _strata(actions: ArrayLike) -> list[np.ndarray]:
    """Takes of each action, in sorted order of the actions."""
    names, number = np.unique(np.asarray(actions), return_inverse=True)
    return [np.flatnonzero(number == n) for n in range(len(names))]
