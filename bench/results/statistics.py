"""Confidence intervals of average errors: a bootstrap over takes, and over seeds where several ran.

Frames of one take, and the cameras that saw it, are not independent; another test set would hold other takes. So
takes are resampled, with all their frames and cameras, within each action (a stratified cluster bootstrap).
Another training would give other weights, so trainings of several seeds are resampled as a second level.

Shapes: T takes, N seeds, R resamples.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Mean = Literal["actions", "frames"]
"""What an average is over: actions, each weighing the same, or all frames."""

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Sample:
    """Errors of one method, of one or several trainings of it, on the takes of a test set.

    Attributes:
        errors: ``[N, T]`` mean error of each take, for each seed.
        frames: counted frames of each take.
        actions: their actions, any labels.
    """

    errors: np.ndarray
    frames: tuple[int, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """A difference of two averages, in the unit of the errors.

    Attributes:
        difference: first minus second.
        low, high: its 95 % interval.
        p_value: two-sided, of no difference; not below 1 / (resamples + 1).
    """

    difference: float
    low: float
    high: float
    p_value: float

    @property
    def indistinguishable(self) -> bool:
        """Whether zero lies in the interval."""
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
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile interval of ``action_mean``.

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
    taken = tuple(np.asarray(actions).tolist()), tuple(np.asarray(frames).tolist())
    weights, _ = _resampled(*taken, seed, resamples)
    replicates = np.asarray(errors, np.float64) @ weights
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail], axis=-1, overwrite_input=True)
    return low, high


def pooled_mean(sample: Sample, over: Mean = "actions") -> float:
    """The mean, averaged over the trainings."""
    sums = sample.errors.mean(0) * sample.frames
    if over == "frames":
        return float(sums.sum() / sum(sample.frames))
    return float(action_mean(sums, sample.frames, sample.actions))


def pooled_interval(sample: Sample, seed: int = 0, over: Mean = "actions") -> tuple[float, float]:
    """95 % interval of ``pooled_mean``, from seeds and takes resampled together."""
    return _ends(_replicates(sample, seed, 1, over))


def paired_difference(
    first: Sample, other: Sample, seed: int = 0, same_trainings: bool = False, over: Mean = "actions"
) -> Difference:
    """Mean of ``first`` minus that of ``other``, which saw the same takes.

    The same takes are drawn for both, so that what makes a take hard for either cancels.

    Args:
        first, other: with the same takes and actions; their numbers of frames may differ.
        seed: of the bootstrap.
        same_trainings: row n of both comes from one training; then the same seeds are drawn as well.
        over: what both are averaged over.
    """
    gap = _replicates(first, seed, 1, over) - _replicates(other, seed, 1 if same_trainings else 2, over)
    return _difference(pooled_mean(first, over) - pooled_mean(other, over), gap)


def action_minus_frame_mean(sample: Sample, seed: int = 0) -> Difference:
    """Mean over actions, as papers print it, minus the mean over all frames."""
    by_action, by_frame = _resampled(sample.actions, sample.frames, seed)
    difference = pooled_mean(sample) - pooled_mean(sample, "frames")
    return _difference(difference, _over_seeds(sample, by_action - by_frame, seed, 1))


def _difference(value: float, replicates: np.ndarray) -> Difference:
    low, high = _ends(replicates)
    beyond = min(np.count_nonzero(replicates <= 0), np.count_nonzero(replicates >= 0))
    return Difference(value, low, high, float(min(1.0, 2 * (beyond + 1) / (len(replicates) + 1))))


def _ends(replicates: np.ndarray) -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return float(low), float(high)


def _replicates(sample: Sample, seed: int, stream: int, over: Mean) -> np.ndarray:
    """Means ``[R]`` of resampled takes and trainings; other ``stream``, other random trainings."""
    by_action, by_frame = _resampled(sample.actions, sample.frames, seed)
    return _over_seeds(sample, by_frame if over == "frames" else by_action, seed, stream)


def _over_seeds(sample: Sample, weights: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """Weighted sums ``[R]`` over takes, averaged over resampled trainings; a single training is not resampled."""
    drawn = _drawn_trainings(len(sample.errors), weights.shape[1], seed, stream)
    return ((sample.errors * sample.frames @ weights) * drawn).sum(0)


@functools.lru_cache(maxsize=16)
def _drawn_trainings(trainings: int, resamples: int, seed: int, stream: int) -> np.ndarray:
    """``[N, R]``: the weight of each training in every resample."""
    if trainings == 1:
        return np.ones((1, resamples))
    rng = np.random.default_rng([seed, stream])
    return rng.multinomial(trainings - 1, np.full(trainings, 1 / trainings), resamples).T / (trainings - 1)


@functools.lru_cache(maxsize=16)
def _resampled(
    actions: tuple[str, ...], frames: tuple[int, ...], seed: int, resamples: int = RESAMPLES
) -> tuple[np.ndarray, np.ndarray]:
    """``[T, R]`` twice: weights of the takes' sums of errors in the action means, and in the frame means."""
    strata, counts = _strata(actions), np.asarray(frames, np.float64)
    draws = _draws(strata, len(counts), resamples, np.random.default_rng(seed))
    return _action_weights(draws, strata, counts), draws / (counts @ draws)


def _draws(strata: list[np.ndarray], takes: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """``[T, R]``: how often each take is drawn: n - 1 of the n takes of a stratum, with replacement.

    Strata of a single take are drawn from among themselves.
    """
    draws = np.ones((takes, resamples))
    single = np.concatenate([members for members in strata if len(members) == 1] or [np.empty(0, np.int64)])
    for members in [*(members for members in strata if len(members) > 1), single]:
        if len(members) > 1:
            chances = np.full(len(members), 1 / len(members))
            draws[members] = rng.multinomial(len(members) - 1, chances, resamples).T
    return draws


def _action_weights(draws: np.ndarray, strata: list[np.ndarray], frames: np.ndarray) -> np.ndarray:
    """``[T, R]``: the weight of each take's sum of errors in the action mean of every resample."""
    weights = np.empty_like(draws)
    single = sum(len(members) == 1 for members in strata)
    unbiased = single / (single - 1) if single > 1 else 1.0
    for members in strata:
        if len(members) > 1:
            weights[members] = draws[members] / (frames[members] @ draws[members])
        else:
            weights[members] = draws[members] * unbiased / frames[members]
    return weights / len(strata)


def _strata(actions: ArrayLike) -> list[np.ndarray]:
    """Takes of each action, in sorted order of the actions."""
    names, number = np.unique(np.asarray(actions), return_inverse=True)
    return [np.flatnonzero(number == n) for n in range(len(names))]
