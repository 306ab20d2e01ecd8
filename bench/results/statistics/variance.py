"""The variance of a mean of errors, in parts: what trainings bring, and what clusters of takes bring.

The mean of N trainings on C clusters is a two-way table with one number in each place: effects of the training, of
the cluster, and the rest, whose variances are estimated by moments (Searle, Casella and McCulloch, Variance
Components, 1992, chapter 4). ``intervals`` says what clusters are, and makes intervals and tests of the parts.

Shapes: T takes, N trainings, G clusters.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

Mean = Literal["actions", "frames"]
"""What an average is over: actions, each weighing the same, or all frames."""

SMALLEST_P = 1e-12
"""Smallest p value that is given."""


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


class VarianceParts(NamedTuple):
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

    def plus(self, other: VarianceParts) -> VarianceParts:
        """Parts of the variance of the sum or the difference of two independent means, without leading axes."""
        both = (self, other)
        seeds = add_variances((float(part.seeds), float(part.seeds_df)) for part in both)
        clusters = add_variances((float(part.clusters), part.clusters_df) for part in both)
        return VarianceParts(*seeds, *clusters, float(self.rest) + float(other.rest))

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
        """Share ``[...]`` of the seeds in both parts together, from 0 to 1."""
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


def add_variances(parts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """The sum of independent estimates of variances, each with its degrees of freedom, and those of the sum.

    Source: Satterthwaite, Biometrics Bulletin 2, 1946.
    """
    parts = list(parts)
    total = sum(variance for variance, _ in parts)
    shares = sum(variance**2 / freedom for variance, freedom in parts)
    return total, total**2 / shares if shares else 1.0


def variance_parts(sample: Sample, over: Mean) -> VarianceParts:
    """Parts of the variance of ``pooled_mean``."""
    projection, by_cluster = projection_of(sample, over), cluster_parts(sample, over)
    clusters = np.square(by_cluster.mean(-2)).sum(-1)
    count = sample.trainings
    if count == 1 or not sample.trained:
        return VarianceParts(0.0, 0.0, clusters, projection.df, 0.0)
    seeds = (sample.errors @ projection.weights).var(-1, ddof=1) / count
    rest = by_cluster.var(-2, ddof=1).sum(-1) / count
    return VarianceParts(seeds, count - 1, clusters, projection.df, rest)


def cluster_parts(sample: Sample, over: Mean) -> np.ndarray:
    """``[..., N, G]``: each cluster's part of the mean; squares add up to the variance that clusters bring."""
    return sample.errors @ projection_of(sample, over).clusters


class Projection(NamedTuple):
    """What makes means and clusters' parts of them out of the errors of takes.

    Attributes:
        weights: ``[T]`` of the takes in the mean.
        clusters: ``[T, G]``.
        df: clusters less strata.
    """

    weights: np.ndarray
    clusters: np.ndarray
    df: int


def projection_of(sample: Sample, over: Mean) -> Projection:
    return _project(sample.actions, sample.frames, sample.subjects, over)


@functools.lru_cache(maxsize=16)
def _project(
    actions: tuple[str, ...], frames: tuple[int, ...], subjects: tuple[str, ...], over: Mean
) -> Projection:
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
        return Projection(weights, clusters, number - 1)
    df = sum(len(group) - 1 for group in groups)
    if len(alone) > 1:
        clusters[:, alone] += (by_take - by_take.mean(1, keepdims=True)) * math.sqrt(len(alone) / (len(alone) - 1))
        df += len(alone) - 1
    return Projection(weights, clusters, df)


def _stretch(share: np.ndarray, belongs: np.ndarray) -> np.ndarray:
    """``[T]``: by how much distances from a mean are too short, for takes with these shares in it.

    Of independent clusters with shares p and equal variance, the distance of one has 1 - 2 p + Σ p² of it; with n
    equal shares that is (n - 1) / n.
    """
    by_cluster = share @ belongs
    return 1 / np.sqrt(1 - 2 * (belongs @ by_cluster) + np.square(by_cluster).sum())
