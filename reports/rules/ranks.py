"""Which method is first, and how sure that is: chances of ranks, and groups that cannot be told apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.results.record import Record, Value
from bench.results.statistics.intervals import LEVEL, Difference, draw_means, holm
from reports.rules.comparability import comparable, headline
from reports.rules.entries import Entry
from reports.rules.names import samples

DRAWS = 4000
METRIC = "mpjpe"


@dataclass(frozen=True)
class Ranked:
    """A method among those that it may be compared with.

    Attributes:
        chances: of being first, second, … last.
        beats_next: probability that its true error is below that of the next one; None for the last.
    """

    record: Record
    value: Value
    chances: tuple[float, ...]
    beats_next: float | None

    def minus(self, other: Ranked) -> Difference | None:
        return self.record.difference(self.value, other.record, other.value)


def ranked(entries: Sequence[Entry]) -> list[Ranked]:
    """The methods of a group by their headline error, best first; none where fewer than two may be compared.

    Of several H and K of a method, the one with most samples counts. Methods are on the same takes.
    """
    found = _best_sampled(entries)
    found = [pair for pair in found if pair[0].data.takes == found[0][0].data.takes]
    if len(found) < 2:
        return []
    found.sort(key=lambda pair: pair[1].action_mean)
    samples = [sample for record, value in found if (sample := record.sample(value)) is not None]
    trainings = [next(n for n, (one, _) in enumerate(found) if one.same_trainings(record)) for record, _ in found]
    places = np.argsort(np.argsort(draw_means(samples, DRAWS, trainings), axis=1), axis=1)
    chances = [tuple(float(np.mean(own == place)) for place in range(len(found))) for own in places.T]
    gaps = [one[0].difference(one[1], *other) for one, other in itertools.pairwise(found)]
    beats = [gap.chance_below if gap and not gap.unknown else None for gap in gaps]
    return [Ranked(*pair, of_it, next_) for pair, of_it, next_ in zip(found, chances, [*beats, None], strict=True)]


def alike(methods: Sequence[Ranked]) -> list[tuple[int, int]]:
    """First and last place of every largest group of methods in a row of which no two are told apart.

    Two that are not told apart need not share a group, as one between them may be told apart: see ``pairs_apart``.
    """
    apart = pairs_apart(methods)
    groups: list[tuple[int, int]] = []
    for first in range(len(methods)):
        last = first
        while last + 1 < len(methods) and not any((i, last + 1) in apart for i in range(first, last + 1)):
            last += 1
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return groups


def pairs_apart(methods: Sequence[Ranked]) -> set[tuple[int, int]]:
    """Places (i, j), i < j, of the methods that are told apart when all pairs are judged together (Holm, 5 %)."""
    pairs = list(itertools.combinations(range(len(methods)), 2))
    gaps = [methods[first].minus(methods[second]) for first, second in pairs]
    return set(itertools.compress(pairs, told_apart(gaps)))


def told_apart(gaps: Sequence[Difference | None]) -> list[bool]:
    """Whether each difference is told from zero when all are judged together; an unknown one is not."""
    p_values = holm(1.0 if gap is None or gap.unknown else gap.p_value for gap in gaps)
    return [p_value <= 1 - LEVEL for p_value in p_values]


def _best_sampled(entries: Sequence[Entry]) -> list[tuple[Record, Value]]:
    """The run with most samples of each method that may be compared, and its headline error."""
    chosen: dict[tuple[str, str], tuple[Record, Value]] = {}
    for entry, may in zip(entries, comparable(entries), strict=True):
        value = entry.value(METRIC, headline(entry)) if isinstance(entry, Record) and may else None
        if isinstance(entry, Record) and value is not None and value.per_take:
            known = chosen.get((entry.title, entry.variant))
            if known is None or samples(entry) > samples(known[0]):
                chosen[entry.title, entry.variant] = entry, value
    return list(chosen.values())
