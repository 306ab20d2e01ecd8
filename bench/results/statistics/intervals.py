"""Averages of errors with intervals that hold: what is random, and how far another run may lie.

Two things are random. Another training with another seed gives other weights; another test set shows other people.
Frames of one take, and the cameras that saw it, are not independent, so the second is drawn in whole clusters:
test subjects where there are ``FEWEST_SUBJECTS`` of them, else takes, within each action, and then the interval is
for these subjects. ``variance`` estimates what both bring. docs/protocols.md has the formulas and shows how often
the intervals hold.

Records keep an interval of one training by a bootstrap over its takes (``bootstrap``); reports print these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.results.statistics.variance import (
    Mean,
    Sample,
    VarianceParts,
    add_variances,
    cluster_parts,
    projection_of,
    variance_parts,
)

LEVEL = 0.95
POWER = 0.8
"""Chance of finding the difference that ``Difference.resolvable`` gives."""

FEWEST_SUBJECTS = 5
"""Test subjects from which on they are what is drawn; Student's t of fewer is too long to say anything."""

ONE_TRAINING = "one training each, and another seed may turn the difference; run with --seeds 0,1,2"
ONE_CLUSTER = "a single take, or a single subject, shows no spread"


@dataclass(frozen=True)
class Difference:
    """A difference of two averages, in the unit of the errors.

    Attributes:
        difference: first minus second.
        low, high: its 95 % interval; NaN where none can be given.
        p_value: two-sided, of no difference; not below ``SMALLEST_P``.
        unknown: why there is no interval; empty where there is one.
        parts: of its variance; None where there is no interval.
    """

    difference: float
    low: float
    high: float
    p_value: float
    unknown: str = ""
    parts: VarianceParts | None = field(default=None, repr=False, compare=False)

    def minus(self, other: Difference) -> Difference:
        """This difference less one of other trainings on another test set: independent ones, so variances add.

        Where one of them has no interval, the result has none, for the same reason.
        """
        value = self.difference - other.difference
        if self.parts is None or other.parts is None:
            return Difference(value, math.nan, math.nan, math.nan, unknown=self.unknown or other.unknown)
        return _difference(value, self.parts.plus(other.parts))

    def resolvable(self, rate: float = 1 - LEVEL) -> float:
        """The smallest true difference that is found with a chance of 80 %, in the unit of the errors.

        Args:
            rate: a difference is found where its p value is at most this.

        Returns:
            NaN where there is no interval.
        """
        if self.parts is None:
            return math.nan
        return float(self.parts.quantile(1 - rate / 2) + self.parts.quantile(POWER)) * float(self.parts.error())

    @property
    def chance_below(self) -> float:
        """Probability that the true difference is below zero, of the distribution that the interval is of."""
        return self.p_value / 2 if self.difference > 0 else 1 - self.p_value / 2

    @property
    def indistinguishable(self) -> bool:
        """Whether zero lies in the interval, or there is none."""
        return bool(self.unknown) or self.low <= 0 <= self.high


def pooled_mean(sample: Sample, over: Mean = "actions") -> np.ndarray:
    """The mean ``[...]``, averaged over the trainings."""
    return (sample.errors @ projection_of(sample, over).weights).mean(-1)


def pooled_interval(sample: Sample, over: Mean = "actions") -> tuple[np.ndarray, np.ndarray]:
    """95 % interval ``[...]`` of ``pooled_mean``; NaN where a single take or subject shows no spread.

    Of several trainings it is for other seeds and other clusters, of one for other clusters only.
    """
    mean, parts = pooled_mean(sample, over), variance_parts(sample, over)
    half = parts.quantile((1 + LEVEL) / 2) * parts.error()
    return mean - half, mean + half


def paired_difference(
    first: Sample, other: Sample, same_trainings: bool = False, over: Mean = "actions", same_method: bool = False
) -> Difference:
    """Mean of ``first`` minus that of ``other``, which saw the same takes.

    Clusters are paired, so that what makes one hard for both cancels; trainings are not. Within one training, and
    between one training and a predictor that needs none, only clusters are random.

    Args:
        first, other: with the same takes and actions; their numbers of frames may differ.
        same_trainings: row n of both comes from one training.
        same_method: whether both are of one method with one recipe, so that a single training is one more draw
            from what the trainings of the other side are drawn from.
    """
    value = float(pooled_mean(first, over) - pooled_mean(other, over))
    contrast = cluster_parts(first, over).mean(-2) - cluster_parts(other, over).mean(-2)
    clusters, df = float(np.square(contrast).sum(-1)), projection_of(first, over).df
    luck = [] if same_trainings else [sample for sample in (first, other) if sample.trained]
    parts = [variance_parts(sample, over) for sample in luck if sample.trainings > 1]
    lone, several = len(luck) == 2 and len(parts) < 2, max(first.trainings, other.trainings)
    if lone and not (same_method and parts):
        return Difference(value, math.nan, math.nan, math.nan, unknown=ONE_TRAINING)
    scale = 1 + several if lone else 1  # variances s² / N of the several and s² of the one training
    seeds = add_variances((scale * float(part.seeds), float(part.seeds_df)) for part in parts)
    rest = scale * sum(float(part.rest) for part in parts)
    return _difference(value, VarianceParts(*seeds, clusters, df, rest))


def action_minus_frame_mean(sample: Sample) -> Difference:
    """Mean over actions, as papers print it, minus the mean over all frames, of these trainings."""
    contrast = (cluster_parts(sample, "actions") - cluster_parts(sample, "frames")).mean(-2)
    difference = float(pooled_mean(sample) - pooled_mean(sample, "frames"))
    clusters = float(np.square(contrast).sum(-1))
    return _difference(difference, VarianceParts(0.0, 0.0, clusters, projection_of(sample, "actions").df, 0.0))


def draw_means(samples: Sequence[Sample], number: int, trainings: Sequence[Hashable] = ()) -> np.ndarray:
    """Draws of the true means over actions of methods, given what was measured.

    Clusters are shared by all methods, as in ``paired_difference``; the luck of training by those of the same
    trainings, each with its own spread. Both are normal with the estimated variances, stretched as in Student's t.

    Args:
        samples: of M methods, on the same takes.
        trainings: M labels, equal for the same trainings; without them each method has its own.

    Returns:
        ``[number, M]``.
    """
    rng = np.random.default_rng(0)
    clusters = np.stack([cluster_parts(sample, "actions").mean(-2) for sample in samples])
    luck = _students(rng, number, projection_of(samples[0], "actions").df, clusters.shape[1]) @ clusters.T
    drawn = np.array([float(pooled_mean(sample)) for sample in samples]) + luck
    lucks: dict[Hashable, np.ndarray] = {}
    for place, (sample, label) in enumerate(zip(samples, trainings or range(len(samples)), strict=True)):
        parts = variance_parts(sample, "actions")
        own = math.sqrt(max(float(parts.seeds) - float(parts.rest), 0.0))
        its = _students(rng, number, int(parts.seeds_df), 1)[:, 0]  # also if unused: later methods keep theirs
        drawn[:, place] += own * lucks.setdefault(label, its)
    return drawn


def _students(rng: np.random.Generator, number: int, df: int, size: int) -> np.ndarray:
    """``[number, size]`` of Student's t; the numbers of a row share their stretch."""
    if not df:
        return np.zeros((number, size))
    return rng.standard_normal((number, size)) * np.sqrt(df / rng.chisquare(df, (number, 1)))


def holm(p_values: Iterable[float]) -> list[float]:
    """p-values of comparisons that were decided on before, corrected for their number (Holm, SJS 6, 1979)."""
    return _stepped_down(list(p_values), lambda left: left)


def against_best(p_values: Iterable[float]) -> list[float]:
    """p-values of all others against the best, which was found by looking, corrected for that.

    As Holm's, but of k that are left, all k (k - 1) / 2 pairs count: any of them could have been the extremes.
    """
    return _stepped_down(list(p_values), lambda left: left * (left + 1) // 2)


def _stepped_down(p_values: Sequence[float], comparisons: Callable[[int], int]) -> list[float]:
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, p_values[index] * comparisons(len(p_values) - rank)))
        corrected[index] = largest
    return corrected


def _difference(value: float, parts: VarianceParts) -> Difference:
    if not parts.clusters_df:
        return Difference(value, math.nan, math.nan, math.nan, unknown=ONE_CLUSTER)
    error = float(parts.error())
    half = float(parts.quantile((1 + LEVEL) / 2)) * error
    return Difference(value, value - half, value + half, parts.p_value(abs(value)), parts=parts)
