"""Averages of errors with intervals that hold: what is random, and how far another run may lie.

Two things are random. Another training with another seed gives other weights; another test set shows other people.
Frames of one take, and the cameras that saw it, are not independent, so the second is drawn in whole clusters:
test subjects where there are ``FEWEST_SUBJECTS`` of them, else takes, within each action, and then the interval is
for these subjects. The mean of N trainings on C clusters is a two-way table with one number in each place: effects
of the training, of the cluster, and the rest, whose variances are estimated by moments (Searle, Casella and
McCulloch, Variance Components, 1992, chapter 4). docs/protocols.md has the formulas and shows how often they hold.

Records keep an interval of one training by a bootstrap over its takes (``bootstrap``); reports print these.

Shapes: T takes, N trainings, G clusters.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

Mean = Literal["actions", "frames"]
"""What an average is over: actions, each weighing the same, or all frames."""

LEVEL = 0.95
POWER = 0.8
"""Chance of finding the difference that ``Difference.resolvable`` gives."""

FEWEST_SUBJECTS = 5
"""Test subjects from which on they are what is drawn; Student's t of fewer is too long to say anything."""

SMALLEST_P = 1e-12
ONE_TRAINING = "one training each, and another seed may turn the difference; run with --seeds 0,1,2"
ONE_CLUSTER = "a single take, or a single subject, shows no spread"


@dataclass(frozen=True)
class Sample:
    """Errors of one method, of one or several trainings of it, on the takes of a test set.

    Attributes:
        errors: ``[..., N, T]`` mean error of each take, for each training.
        frames: counted frames of each take.
        actions: their actions, any labels.
        subjects: of each take, where subjects are drawn; empty where takes are.
        trained: whether another seed would have given other weights; no for predictors without a training.
    """

    errors: np.ndarray
    frames: tuple[int, ...]
    actions: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    trained: bool = True

    @property
    def trainings(self) -> int:
        """N."""
        return self.errors.shape[-2]


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
    parts: _Parts | None = field(default=None, repr=False, compare=False)

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


class _Parts(NamedTuple):
    """Estimated parts of the variance of a mean, each with its degrees of freedom, and any leading axes.

    Attributes:
        seeds: of the trainings, with their share of the rest; 0 where they are not random.
        clusters: of the clusters, with their share of the rest.
        rest: what both of them hold.
    """

    seeds: np.ndarray | float
    seeds_df: np.ndarray | float
    clusters: np.ndarray | float
    clusters_df: float
    rest: np.ndarray | float

    def plus(self, other: _Parts) -> _Parts:
        """Of the sum or the difference of two independent means, without leading axes."""
        both = (self, other)
        seeds = _added((float(part.seeds), float(part.seeds_df)) for part in both)
        clusters = _added((float(part.clusters), part.clusters_df) for part in both)
        return _Parts(*seeds, *clusters, float(self.rest) + float(other.rest))

    def error(self) -> np.ndarray:
        """Standard error ``[...]``: the parts together hold the rest twice, but neither is too large alone."""
        larger, smaller = np.maximum(self.seeds, self.clusters), np.minimum(self.seeds, self.clusters)
        return np.sqrt(larger + np.maximum(smaller - self.rest, 0))

    def quantile(self, chance: float) -> np.ndarray:
        """Quantile ``[...]`` of the mean's distance from the truth in standard errors (Cochran and Cox).

        Student's t of each part, averaged with the parts as weights.
        """
        from scipy.special import stdtrit

        share = self.share_of_seeds()
        by_clusters = stdtrit(self.clusters_df, chance) if self.clusters_df else math.nan
        return (1 - share) * by_clusters + share * stdtrit(np.maximum(self.seeds_df, 1), chance)

    def share_of_seeds(self) -> np.ndarray:
        """Of both parts together, ``[...]``."""
        seeds, clusters = np.asarray(self.seeds), np.asarray(self.clusters)
        return seeds / np.maximum(seeds + clusters, np.finfo(float).tiny)

    def p_value(self, distance: float) -> float:
        """Two-sided, of a mean this far from the truth; found by halving, as the quantile has no inverse."""
        from scipy.special import stdtr, stdtrit

        error = float(self.error())
        if not distance or not error:
            return float(not distance)
        if not self.seeds:
            return max(2 * float(stdtr(self.clusters_df, -distance / error)), SMALLEST_P)
        share, freedom = float(self.share_of_seeds()), np.array([self.seeds_df, self.clusters_df])
        weights = np.array([share, 1 - share]) * error
        low, high = math.log(SMALLEST_P), 0.0
        for _ in range(30):
            middle = (low + high) / 2
            too_far = -float(weights @ stdtrit(freedom, math.exp(middle) / 2)) < distance
            low, high = (low, middle) if too_far else (middle, high)
        return math.exp(high)


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
    members = action_strata(actions)
    return np.mean([errors[..., m].sum(-1) / frames[m].sum() for m in members], axis=0)


def action_strata(actions: ArrayLike) -> list[np.ndarray]:
    """Takes of each action, in sorted order of the actions."""
    names, number = np.unique(np.asarray(actions), return_inverse=True)
    return [np.flatnonzero(number == n) for n in range(len(names))]


def pooled_mean(sample: Sample, over: Mean = "actions") -> np.ndarray:
    """The mean ``[...]``, averaged over the trainings."""
    return (sample.errors @ _projection(sample, over).weights).mean(-1)


def pooled_interval(sample: Sample, over: Mean = "actions") -> tuple[np.ndarray, np.ndarray]:
    """95 % interval ``[...]`` of ``pooled_mean``; NaN where a single take or subject shows no spread.

    Of several trainings it is for other seeds and other clusters, of one for other clusters only.
    """
    mean, parts = pooled_mean(sample, over), _parts_of(sample, over)
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
    contrast = _clusters(first, over).mean(-2) - _clusters(other, over).mean(-2)
    clusters, df = float(np.square(contrast).sum(-1)), _projection(first, over).df
    luck = [] if same_trainings else [sample for sample in (first, other) if sample.trained]
    parts = [_parts_of(sample, over) for sample in luck if sample.trainings > 1]
    lone, several = len(luck) == 2 and len(parts) < 2, max(first.trainings, other.trainings)
    if lone and not (same_method and parts):
        return Difference(value, math.nan, math.nan, math.nan, unknown=ONE_TRAINING)
    scale = 1 + several if lone else 1  # variances s² / N of the several and s² of the one training
    seeds = _added((scale * float(part.seeds), float(part.seeds_df)) for part in parts)
    rest = scale * sum(float(part.rest) for part in parts)
    return _difference(value, _Parts(*seeds, clusters, df, rest))


def action_minus_frame_mean(sample: Sample) -> Difference:
    """Mean over actions, as papers print it, minus the mean over all frames, of these trainings."""
    contrast = (_clusters(sample, "actions") - _clusters(sample, "frames")).mean(-2)
    difference = float(pooled_mean(sample) - pooled_mean(sample, "frames"))
    clusters = float(np.square(contrast).sum(-1))
    return _difference(difference, _Parts(0.0, 0.0, clusters, _projection(sample, "actions").df, 0.0))


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
    clusters = np.stack([_clusters(sample, "actions").mean(-2) for sample in samples])
    luck = _students(rng, number, _projection(samples[0], "actions").df, clusters.shape[1]) @ clusters.T
    drawn = np.array([float(pooled_mean(sample)) for sample in samples]) + luck
    lucks: dict[Hashable, np.ndarray] = {}
    for place, (sample, label) in enumerate(zip(samples, trainings or range(len(samples)), strict=True)):
        parts = _parts_of(sample, "actions")
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


def _difference(value: float, parts: _Parts) -> Difference:
    if not parts.clusters_df:
        return Difference(value, math.nan, math.nan, math.nan, unknown=ONE_CLUSTER)
    error = float(parts.error())
    half = float(parts.quantile((1 + LEVEL) / 2)) * error
    return Difference(value, value - half, value + half, parts.p_value(abs(value)), parts=parts)


def _added(parts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """The sum of independent estimates of variances, each with its degrees of freedom, and those of the sum.

    Source: Satterthwaite, Biometrics Bulletin 2, 1946.
    """
    parts = list(parts)
    total = sum(variance for variance, _ in parts)
    shares = sum(variance**2 / freedom for variance, freedom in parts)
    return total, total**2 / shares if shares else 1.0


def _parts_of(sample: Sample, over: Mean) -> _Parts:
    """Parts of the variance of ``pooled_mean``."""
    projection, by_cluster = _projection(sample, over), _clusters(sample, over)
    clusters = np.square(by_cluster.mean(-2)).sum(-1)
    count = sample.trainings
    if count == 1 or not sample.trained:
        return _Parts(0.0, 0.0, clusters, projection.df, 0.0)
    seeds = (sample.errors @ projection.weights).var(-1, ddof=1) / count
    rest = by_cluster.var(-2, ddof=1).sum(-1) / count
    return _Parts(seeds, count - 1, clusters, projection.df, rest)


def _clusters(sample: Sample, over: Mean) -> np.ndarray:
    """``[..., N, G]``: each cluster's part of the mean; squares add up to the variance that clusters bring."""
    return sample.errors @ _projection(sample, over).clusters


class _Projection(NamedTuple):
    """What makes means and clusters' parts of them out of the errors of takes.

    Attributes:
        weights: ``[T]`` of the takes in the mean.
        clusters: ``[T, G]``.
        df: clusters less strata.
    """

    weights: np.ndarray
    clusters: np.ndarray
    df: int


def _projection(sample: Sample, over: Mean) -> _Projection:
    return _project(sample.actions, sample.frames, sample.subjects, over)


@functools.lru_cache(maxsize=16)
def _project(
    actions: tuple[str, ...], frames: tuple[int, ...], subjects: tuple[str, ...], over: Mean
) -> _Projection:
    """Linear parts of the mean by cluster (Taylor's series of a ratio: Särndal, Swensson and Wretman, 1992, 5.5).

    A take counts by how far it lies from its action's mean, or, of a mean over the frames of drawn subjects, from
    the mean over all. A cluster that is a large part of that mean lies near it for this reason alone, so its
    distance is stretched: squares then add up to the variance whatever the lengths are. Takes whose action no
    other cluster has count by their distance from the mean over all; where takes are drawn they are a stratum
    together (a single one shows no spread, and adds none).
    """
    counts, takes = np.asarray(frames, np.float64), len(frames)
    owner = np.unique(subjects, return_inverse=True)[1] if subjects else np.arange(takes)
    members = action_strata(actions)
    weights = counts / counts.sum()
    if over == "actions":
        for group in members:
            weights[group] = counts[group] / counts[group].sum() / len(members)
    groups = [group for group in members if len(set(owner[group])) > 1]
    if subjects and over == "frames":
        groups = [np.arange(takes)]
    belongs, number = owner[:, None] == np.arange(owner.max() + 1), owner.max() + 1
    clusters = np.zeros((takes, number))
    for group in groups:
        share = counts[group] / counts[group].sum()
        by_take = (np.eye(len(group)) - share[:, None]) * weights[group]
        clusters[group] += by_take * _stretch(share, belongs[group]) @ belongs[group]
    alone = np.setdiff1d(np.arange(takes), np.concatenate([np.arange(0), *groups]))
    by_take = (np.eye(takes)[:, alone] - weights[:, None]) * weights[alone]
    if subjects:
        clusters += by_take @ belongs[alone] * math.sqrt(number / (number - 1))
        return _Projection(weights, clusters, number - 1)
    df = sum(len(group) - 1 for group in groups)
    if len(alone) > 1:
        clusters[:, alone] += (by_take - by_take.mean(1, keepdims=True)) * math.sqrt(len(alone) / (len(alone) - 1))
        df += len(alone) - 1
    return _Projection(weights, clusters, df)


def _stretch(share: np.ndarray, belongs: np.ndarray) -> np.ndarray:
    """``[T]``: by how much distances from a mean are too short, for takes with these shares in it.

    Of independent clusters with shares p and equal variance, the distance of one has 1 - 2 p + Σ p² of it; with n
    equal shares that is (n - 1) / n.
    """
    by_cluster = share @ belongs
    return 1 / np.sqrt(1 - 2 * (belongs @ by_cluster) + np.square(by_cluster).sum())
