"""Controls that a run carries: what must come out, whatever the methods are, and what came out.

They use the same intervals and paired differences as the tables. *A/A*: two groups of trainings of one method
must be called different in 5 % of cases. Where a method has four trainings or more, they are split in every
way, or in some hundred of very many; of fewer, other trainings are drawn with the spread that these have.
*Spike-in*: errors that are known to be larger by a millimetre on average must be found to be so. *Permuted
labels*: what a prompt is worth to a FinePOSE that was trained with the labels of other takes is not worth of
the label. *Fresh people*: of test sets of other people of the same generator, the interval of each must hold
the mean of the others, which varies too, in about 93 %.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from bench.results.grouping import grouped
from bench.results.record import Record, Value
from bench.results.statistics.intervals import LEVEL, Difference, paired_difference
from bench.results.statistics.seeds import pool
from bench.results.statistics.variance import Sample
from reports.rules.comparability import TRIVIAL, drawn_anew, headline, source
from reports.rules.names import method_name, samples, sampling_size

SIMULATED = 200
"""Pairs of groups of trainings of a method that are drawn where there are too few to split, or too many ways."""

MOST_SPLITS = 500
"""Ways to split trainings that are all tried: those of twelve trainings; of twenty there are 92,378."""

FEWEST_PAIRS = 20
"""Fewest pairs that are judged: of fewer, one that is called different says nothing of 5 %."""

SPIKES_MM = (1.0, 5.0)
FEWEST_TO_FIND = 10
"""Degrees of freedom of takes or subjects with which a spike must be found."""

FEWEST_TO_SPLIT = 4
PERMUTED, NO_PROMPT = "labels permuted in training", "prompt=none"
FEWEST_DRAWS = 5


@dataclass(frozen=True)
class Control:
    """One control of one method.

    Attributes:
        name, of: which control, of what.
        expected, found: in words.
        holds: whether it came out as it must; None where nothing must come out.
    """

    name: str
    of: str
    expected: str
    found: str
    holds: bool | None

    @property
    def sentence(self) -> str:
        """In one line."""
        verdict = {True: "holds", False: "does not hold", None: "no verdict"}[self.holds]
        return f"{self.name}, {self.of}: {self.found} (expected: {self.expected}); {verdict}."


def controls(records: Sequence[Record]) -> list[Control]:
    """All that can be made of the runs of a sweep, with one test set of each method as it is."""
    pooled = pool(records)
    plain = [record for record in pooled if not (record.variant or drawn_anew(record))]
    found = []
    for record, value in _one_each(plain):
        sample = record.sample(value)
        if sample is not None and record.trained and sample.trainings > 1:
            found.append(_same_method(record, sample))
            found += [_spike(record, sample, size) for size in SPIKES_MM]
    return [*found, *_permuted(pooled), *_fresh(records)]


def _one_each(records: Sequence[Record]) -> list[tuple[Record, Value]]:
    """The run of each learned method with most samples of the first detections, and its headline error."""
    learned = [record for record in records if record.method not in TRIVIAL]
    groups = grouped(learned, lambda record: record.title).values()
    first = [[record for record in group if source(record) == source(group[0])] for group in groups]
    most = [max(group, key=samples) for group in first]
    return [(record, value) for record in most if (value := record.value("mpjpe", headline(record)))]


def _same_method(record: Record, sample: Sample) -> Control:
    """A/A: two groups of trainings of one method."""
    if sample.trainings >= FEWEST_TO_SPLIT:
        splits, ways = _splits(sample.trainings)
        pairs = [(_rows(sample, one), _rows(sample, other)) for one, other in splits]
        part = "" if len(splits) == ways else f"{len(splits)} of "
        how = f"{part}{ways:,} ways to split {sample.trainings} trainings"
    else:
        rng = np.random.default_rng(0)
        pairs = [(_retrained(sample, rng), _retrained(sample, rng)) for _ in range(SIMULATED)]
        how = f"{SIMULATED} pairs drawn with the spread of {sample.trainings} trainings"
    called = np.mean([not paired_difference(*pair).indistinguishable for pair in pairs])
    allowed = 1 - LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / len(pairs))
    expected = "called different in 5 %, else intervals are too short"
    holds = bool(called <= allowed) if len(pairs) >= FEWEST_PAIRS else None
    return Control("A/A", method_name(record), expected, f"{called:.1%} of {how}", holds)


def _splits(count: int) -> tuple[list[tuple[list[int], list[int]]], int]:
    """Ways to put trainings into two groups of two or more, as even as can be; and how many there are in all."""
    everything = range(count)
    ways = math.comb(count, count // 2) // (1 if count % 2 else 2)
    if ways > MOST_SPLITS:
        rng = np.random.default_rng(0)
        halves = [rng.permutation(count)[: count // 2].tolist() for _ in range(SIMULATED)]
    else:
        every = itertools.combinations(everything, count // 2)
        halves = [list(half) for half in every if 0 in half or count % 2]
    return [(half, [n for n in everything if n not in half]) for half in halves], ways


def _rows(sample: Sample, chosen: Sequence[int]) -> Sample:
    return replace(sample, errors=sample.errors[list(chosen)])


def _retrained(sample: Sample, rng: np.random.Generator) -> Sample:
    """Other trainings of the method, as many: normal, with the mean and the covariances of these over takes."""
    mean, count = sample.errors.mean(0), sample.trainings
    drawn_rows = rng.standard_normal((count, count)) @ (sample.errors - mean) / np.sqrt(count - 1)
    return replace(sample, errors=mean + drawn_rows)


def _spike(record: Record, sample: Sample, size: float) -> Control:
    """Errors that are larger by ``size`` mm on average, by an exponential share of it in each take.

    Compared with the same weights, and with other trainings of the method.
    """
    rng = np.random.default_rng(1)
    alike: list[Difference] = []
    between: list[Difference] = []
    for _ in range(SIMULATED // 4):
        added = size * rng.exponential(size=sample.errors.shape[-1])
        alike.append(paired_difference(replace(sample, errors=sample.errors + added), sample, True))
        other = _retrained(sample, rng)
        between.append(paired_difference(replace(other, errors=other.errors + added), _retrained(sample, rng)))
    shares = [np.mean([g.difference > 0 and not g.indistinguishable for g in gaps]) for gaps in (alike, between)]
    covered = np.mean([gap.low <= size <= gap.high for gap in alike])
    # The size of a spike cancels against its own spread: few clusters find none, however right the intervals are.
    found = bool(shares[0] >= LEVEL)
    enough = alike[0].parts is not None and alike[0].parts.clusters_df >= FEWEST_TO_FIND
    return Control(
        f"Spike-in of {size:g} mm", method_name(record), "found with the same weights",
        f"{shares[0]:.0%} with the same weights, {shares[1]:.0%} between trainings; its interval holds it in "
        f"{covered:.0%}",
        found if found or enough else None,
    )  # fmt: skip


def _permuted(pooled: Sequence[Record]) -> list[Control]:
    """A method trained with the labels of other takes, beside itself with its own labels and without a prompt."""
    found = []
    for control in (record for record in pooled if record.variant == PERMUTED and not drawn_anew(record)):
        value = control.value("mpjpe", headline(control))
        said = []
        for variant, words in (("", "with its own labels"), (NO_PROMPT, "without a prompt")):
            twin = next((other for other in pooled if other.variant == variant and _alike(control, other)), None)
            its = twin.value("mpjpe", headline(twin)) if twin else None
            gap = twin.difference(its, control, value) if twin and its and value else None
            said.append(f"{words} {_in_words(gap)}")
        expected = "what a prompt gains with labels of other takes too is no gain of the label"
        found.append(Control("Permuted labels", control.title, expected, "; ".join(said), None))
    return found


def _alike(record: Record, other: Record) -> bool:
    same = (record.method, record.preset, sampling_size(record), source(record), record.data.subset)
    return same == (other.method, other.preset, sampling_size(other), source(other), other.data.subset)


def _in_words(gap: Difference | None) -> str:
    if gap is None:
        return "not run"
    if gap.unknown:
        return f"{gap.difference:+.1f} mm, not compared".replace("-", "−")
    return f"{gap.difference:+.1f} mm [{gap.low:+.1f}, {gap.high:+.1f}]".replace("-", "−")


def _fresh(records: Sequence[Record]) -> list[Control]:
    """How many of the intervals of one training on test sets of other people hold the mean over the other sets.

    Of several trainings each is judged alone: their luck is the same on all sets, and would widen every interval.
    """
    found = []
    fresh = [one for record in records if drawn_anew(record) for one in pool([record])]
    for (title, _, _), group in grouped(fresh, lambda r: (r.title, r.training_id, sampling_size(r))).items():
        values = [value for record in group if (value := record.value("mpjpe", headline(record)))]
        if len(values) < FEWEST_DRAWS:
            continue
        means = np.array([value.action_mean for value in values])
        others = (means.sum() - means) / (len(means) - 1)
        held = sum(value.low <= other <= value.high for value, other in zip(values, others, strict=True))
        wider = np.sqrt(1 + 1 / (len(values) - 1))  # the mean of the others would be another one too
        share = 2 * norm.cdf(norm.ppf((1 + LEVEL) / 2) / wider) - 1
        allowed = share - 2 * np.sqrt(share * (1 - share) / len(values))
        said = f"{held} of {len(values)} hold the mean of the others ({means.min():.1f} to {means.max():.1f} mm)"
        (seed,) = group[0].conditions.training_seeds or (0,)
        of = f"{title}, training with seed {seed}"
        expected = f"{share:.0%} of intervals, else they are too short"
        found.append(Control("Fresh people", of, expected, said, bool(held >= allowed * len(values))))
    return found


def in_words(found: Sequence[Control]) -> list[str]:
    """A line for each kind of control."""
    lines = []
    for name, members in grouped(found, lambda control: control.name).items():
        if len(members) == 1:
            lines.append(members[0].sentence)
            continue
        broken = [control.of for control in members if control.holds is False]
        judged = [control for control in members if control.holds is not None]
        verdict = f"does not hold for {', '.join(broken)}" if broken else "holds" if judged else "no verdict"
        each = "; ".join(f"{control.of}: {control.found}" for control in members)
        lines.append(f"{name}: {verdict} (expected: {members[0].expected}). {each}.")
    return lines
