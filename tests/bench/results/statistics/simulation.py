"""Made-up errors whose truth is known, to count how often intervals hold; for `nox -s statistics`."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bench.results.statistics.intervals import against_best, paired_difference, pooled_interval
from bench.results.statistics.variance import Sample
from tests import ROOT

PAGE = ROOT / "docs" / "protocols.md"
BEGIN, END = "<!-- coverage: written by nox -s statistics -->", "<!-- coverage: end -->"

TRUTH = 50.0
TRAININGS, CLUSTERS = (2, 3, 5, 10), (2, 7, 20)


class Ratio(NamedTuple):
    """Standard deviations that the seeds, the clusters and the rest bring into the mean (mm)."""

    seeds: float
    clusters: float
    rest: float


RATIOS = (
    Ratio(1, 0, 0),
    Ratio(0, 1, 0),
    Ratio(0, 0, 1),
    Ratio(1, 1, 0),
    Ratio(1, 0.3, 0.3),
    Ratio(0.3, 1, 0.3),
    Ratio(1, 1, 1),
)


def takes(seed: int, per_action: int = 4, actions: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of errors, frames and actions of takes whose true action means are 40 + action."""
    rng = np.random.default_rng(seed)
    action = np.repeat(np.arange(actions), per_action)
    frames = rng.integers(500, 3000, len(action))
    return frames * (40 + action + rng.normal(0, 6, len(action))), frames, action


def drawn(
    rng: np.random.Generator,
    ratio: Ratio,
    trainings: int,
    clusters: int,
    repetitions: int,
    hardness: np.ndarray | None = None,
    actions: int = 1,
) -> Sample:
    """Errors ``[R, N, T]`` of a method whose true mean is ``TRUTH``, of one take of each cluster.

    Args:
        hardness: ``[R, 1, T]`` what makes a cluster hard for every method; drawn anew if not given.
        actions: 1: clusters are subjects; else takes, of this many actions.
    """
    if hardness is None:
        hardness = shared(rng, ratio, clusters, repetitions)
    luck = rng.normal(0, ratio.seeds * trainings**0.5, (repetitions, trainings, 1))
    rest = rng.normal(0, ratio.rest * (trainings * clusters) ** 0.5, (repetitions, trainings, clusters))
    names = tuple(str(cluster % actions) for cluster in range(clusters))
    subjects = tuple(map(str, range(clusters))) if actions == 1 else ()
    return Sample(TRUTH + luck + hardness + rest, (100,) * clusters, names, subjects)


def shared(rng: np.random.Generator, ratio: Ratio, clusters: int, repetitions: int) -> np.ndarray:
    """``[R, 1, T]``: what makes a cluster hard."""
    return rng.normal(0, ratio.clusters * clusters**0.5, (repetitions, 1, clusters))


def coverage(ratio: Ratio, trainings: int, clusters: int, repetitions: int, actions: int = 1) -> float:
    """Share of 95 % intervals of a mean that hold the truth."""
    rng = np.random.default_rng(0)
    low, high = pooled_interval(drawn(rng, ratio, trainings, clusters, repetitions, actions=actions))
    return float(np.mean((low <= TRUTH) & (high >= TRUTH)))


def called_different(ratio: Ratio, trainings: int, clusters: int, repetitions: int) -> float:
    """Share of pairs of equal methods that are called different."""
    rng = np.random.default_rng(0)
    pairs = _methods(rng, ratio, trainings, clusters, repetitions, 2)
    return float(np.mean([not paired_difference(*pair).indistinguishable for pair in pairs]))


def gains_called_different(ratio: Ratio, trainings: int, clusters: tuple[int, int], repetitions: int) -> float:
    """Share of pairs of methods, equal on two data sets with these clusters, whose gains are called different."""
    rng = np.random.default_rng(0)
    on_both = [_methods(rng, ratio, trainings, count, repetitions, 2) for count in clusters]
    gaps = ((paired_difference(*one), paired_difference(*other)) for one, other in zip(*on_both, strict=True))
    return float(np.mean([not one.minus(other).indistinguishable for one, other in gaps]))


def tables_in_error(ratio: Ratio, methods: int, trainings: int, clusters: int, repetitions: int) -> float:
    """Share of columns of equal methods in which any is called different from the best."""
    wrong = 0
    for members in _methods(np.random.default_rng(0), ratio, trainings, clusters, repetitions, methods):
        means = [member.errors.mean() for member in members]
        best = members[int(np.argmin(means))]
        p_values = [paired_difference(member, best).p_value for member in members if member is not best]
        wrong += min(against_best(p_values)) <= 0.05
    return wrong / repetitions


def _methods(
    rng: np.random.Generator, ratio: Ratio, trainings: int, clusters: int, repetitions: int, methods: int
) -> Iterator[list[Sample]]:
    """Equal methods, tried several times; what makes a cluster hard is common to them but for a part."""
    together = shared(rng, Ratio(0, 2, 0), clusters, repetitions)
    members = []
    for _ in range(methods):
        own = shared(rng, ratio, clusters, repetitions)
        members.append(drawn(rng, ratio, trainings, clusters, repetitions, together + own))
    for index in range(repetitions):
        first = members[0]
        yield [Sample(m.errors[index], first.frames, first.actions, first.subjects) for m in members]


def table(repetitions: int) -> str:
    """Markdown: coverage, and how often equal methods are called different, in percent."""
    heads = [" : ".join(f"{part:g}" for part in ratio) for ratio in RATIOS]
    lines = [
        f"Of {4 * repetitions:,} simulated means, the share of 95 % intervals that hold the truth / of "
        f"{repetitions:,} pairs of equal methods, the share that is called different (percent). Columns: ratio of "
        "the standard deviations that seeds, clusters and the rest bring into a mean.",
        "",
        f"| trainings | clusters | {' | '.join(heads)} |",
        "|---:|---:|" + "---|" * len(RATIOS),
    ]
    for trainings, clusters in itertools.product(TRAININGS, CLUSTERS):
        cells = [
            f"{100 * coverage(ratio, trainings, clusters, 4 * repetitions):.1f} / "
            f"{100 * called_different(ratio, trainings, clusters, repetitions):.1f}"
            for ratio in RATIOS
        ]
        lines.append(f"| {trainings} | {clusters} | {' | '.join(cells)} |")
    methods = {
        (count, trainings): 100 * tables_in_error(Ratio(1, 0.3, 0.3), count, trainings, 20, repetitions // 4)
        for count in (4, 12)
        for trainings in (3, 10)
    }
    said = "; ".join(f"{count} methods, {n} trainings: {share:.1f} %" for (count, n), share in methods.items())
    lines += [
        "",
        f"Columns of equal methods in which any is called different from the best (1 : 0.3 : 0.3): {said}.",
    ]
    gains = {n: 100 * gains_called_different(Ratio(1, 0.3, 0.3), n, (45, 6), repetitions) for n in TRAININGS}
    said = "; ".join(f"{n} trainings: {share:.1f} %" for n, share in gains.items())
    lines += [
        "",
        "Pairs of equal methods on two data sets, of 45 and of 6 clusters, whose differences on the two are "
        f"called different from each other (1 : 0.3 : 0.3): {said}.",
    ]
    return "\n".join(lines)


def write(repetitions: int) -> None:
    """Put the table into docs/protocols.md."""
    counted = f"{BEGIN}\n\n{table(repetitions)}\n\n{END}"
    text = PAGE.read_text(encoding="utf-8")
    found, count = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", counted, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{PAGE}: the place of the table ({BEGIN} … {END}) is not there")
    PAGE.write_text(found, encoding="utf-8")
    print(f"{PAGE} written")


if __name__ == "__main__":
    write(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
