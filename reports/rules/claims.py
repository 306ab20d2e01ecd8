"""Verdicts on published claims that one configuration is better than another.

A claim is *supported* where the difference of the two is beyond chance and has the claimed sign, *refuted* where
it is beyond chance and has the other sign, and *open* otherwise: too few runs or seeds, or no
difference that these runs could tell from chance. Supported and refuted speak of this size on this data. Of a
claim between two data sets the difference is that on the first less that on the second; their trainings and test
sets are others.

The claims of a table are one family: Holm's method (Scandinavian Journal of Statistics 6, 1979) keeps the chance
of any wrong verdict at 5 %. Where seeds were added until verdicts fell, look k spends 5 % / k(k + 1) of it, which
adds up to 5 % over any number of looks (alpha spending: Lan and DeMets, Biometrika 70, 1983).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from bench.results.record import Record, Value
from bench.results.run_set import Claim
from bench.results.statistics.intervals import ONE_CLUSTER, Difference, holm
from bench.results.statistics.seeds import pool
from reports.rules.comparability import headline
from reports.rules.other_data import pairs_on

Verdict = Literal["supported", "refuted", "open"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

ERROR_RATE = 0.05


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict.

    Attributes:
        difference: better minus other with the interval of this comparison alone, between two data sets the
            difference of both; None where there is none.
        adjusted: the p value after Holm's correction; None where the claim is not tested.
        resolvable: the smallest true difference that is found with a chance of 80 % at the level that the
            correction leaves beside the claims that are open; None where the claim is not tested.
        unit: of the difference.
        seeds: of the training, of both sides.
        why_open: why an open claim is open.
        runs: of both sides, on both data sets where there are two.
        same_training: both sides are read off the same trainings.
        decidable: whether further trainings may decide it; of a claim between two data sets there would be none on
            the other one.
    """

    claim: Claim
    verdict: Verdict
    difference: Difference | None
    adjusted: float | None
    resolvable: float | None
    unit: str
    seeds: tuple[int, ...]
    why_open: str
    runs: tuple[Record, ...]
    same_training: bool
    decidable: bool

    @property
    def sentence(self) -> str:
        """The verdict in words; for a claim that was tested."""
        assert self.difference is not None
        assert self.resolvable is not None
        gap, unit = self.difference, self.unit
        value, low, high = (f"{end:+.1f}".replace("-", "−") for end in (gap.difference, gap.low, gap.high))
        return (
            f"{self.claim.text}: {self.verdict} ({value} {unit}, 95 % interval {low} to {high}; a difference of "
            f"{self.resolvable:.1f} {unit} could be resolved)."
        )


@dataclass(frozen=True)
class _Measured:
    """What runs say about a claim, before other claims are looked at; ``sign``: −1 where lower is better."""

    claim: Claim
    difference: Difference | None
    why_not: str
    tested: bool = False
    unit: str = ""
    sign: int = -1
    seeds: tuple[int, ...] = ()
    runs: tuple[Record, ...] = ()
    same_training: bool = False
    decidable: bool = True


def judge(claims: Sequence[Claim], records: Mapping[str, Record]) -> list[Judged]:
    """The verdicts on the claims of a table, in their order.

    Args:
        records: finished runs by id; for claims between two data sets, also others of the store.
    """
    measured = [_measure(claim, records) for claim in claims]
    p_values = [found.difference.p_value for found in measured if found.tested and found.difference]
    corrected = iter(holm(p_values))
    adjusted = [next(corrected) if found.tested else None for found in measured]
    decided = [_is_decided(found, p_value) for found, p_value in zip(measured, adjusted, strict=True)]
    still_open = len(p_values) - sum(decided)
    return [
        _judged(found, p_value, still_open + its)  # one that is decided was open when its turn came
        for found, p_value, its in zip(measured, adjusted, decided, strict=True)
    ]


def in_words(judged: Sequence[Judged]) -> list[str]:
    """How many claims have which verdict, a sentence for each that was tested, and one for others by reason."""
    if not judged:
        return []
    counts = ", ".join(f"{sum(found.verdict == verdict for found in judged)} {verdict}" for verdict in VERDICTS)
    tested = sorted((found for found in judged if found.adjusted is not None), key=_order)
    untested: dict[str, list[str]] = {}
    for found in judged:
        if found.adjusted is None:
            untested.setdefault(found.why_open, []).append(found.claim.text)
    together = [f"Open ({why}): {'; '.join(texts)}." for why, texts in untested.items()]
    return [f"Of {len(judged)} claims: {counts}.", *(found.sentence for found in tested), *together]


def _order(found: Judged) -> int:
    return VERDICTS.index(found.verdict)


def error_rate(look: int) -> float:
    """The part of the error rate that a look spends; all of it where the number of seeds was fixed before."""
    return ERROR_RATE if look == 0 else ERROR_RATE / (look * (look + 1))


def _measure(claim: Claim, records: Mapping[str, Record]) -> _Measured:
    if claim.between is None:
        return _compare(claim, claim.better, claim.other, records)
    if not claim.better + claim.other:
        return _Measured(claim, None, f"not tested: needs runs on {' and '.join(claim.between)}")
    here = _compare(claim, claim.better, claim.other, records)
    return here if here.difference is None else _compare_data(claim, here, records)


def _compare_data(claim: Claim, here: _Measured, records: Mapping[str, Record]) -> _Measured:
    """What is found on both data sets, from what was found on the one that the runs of the claim are of."""
    assert claim.between is not None
    assert here.difference is not None
    first, second = claim.between
    is_first = here.runs[0].experiment["data"]["name"] == first
    other_data = second if is_first else first
    pairs = pairs_on(other_data, here.runs, records.values())
    if len(pairs) != 1:
        why = f"several pairs of runs on {other_data} fit" if pairs else f"needs such runs on {other_data} too"
        return _Measured(claim, None, f"not tested: {why}")
    better, other = pairs[0]
    there = _compare(claim, better.runs, other.runs, records)
    if there.difference is None:
        return there
    gaps = (here.difference, there.difference) if is_first else (there.difference, here.difference)
    gap = gaps[0].minus(gaps[1])
    return replace(
        here,
        difference=gap,
        why_not=gap.unknown,
        tested=not gap.unknown,
        seeds=tuple(sorted({*here.seeds, *there.seeds})),
        runs=here.runs + there.runs,
        same_training=here.same_training and there.same_training,
    )


def _compare(
    claim: Claim, better_runs: Sequence[str], other_runs: Sequence[str], records: Mapping[str, Record]
) -> _Measured:
    """What is found on one data set."""
    sides = [[records[name] for name in ids if name in records] for ids in (better_runs, other_runs)]
    if not all(sides):
        return _Measured(claim, None, "its runs have no record")
    (better, *more), (other, *others) = map(pool, sides)
    values = [
        _value(side, claim.metric, name) for side, name in zip((better, other), claim.aggregations, strict=True)
    ]
    if more or others or values[0] is None or values[1] is None:
        return _Measured(
            claim, None, "its runs differ in more than their seeds, or lack the number", decidable=False
        )
    if better.runs == other.runs and values[0] == values[1]:
        return _Measured(claim, None, "both sides are the same runs under the given settings", decidable=False)
    mine, its = ({record.training_id: record for record in side} for side in sides)
    same = mine.keys() == its.keys() and all(record.same_trainings(its[name]) for name, record in mine.items())
    difference = better.difference(values[0], other, values[1], same_trainings=same)
    if difference is None:
        return _Measured(claim, None, "the two numbers were not obtained on the same takes", decidable=False)
    info = better.metric(claim.metric)
    return _Measured(
        claim,
        difference,
        difference.unknown,
        tested=not difference.unknown,
        unit=info.unit,
        sign=1 if info.higher_is_better else -1,
        seeds=tuple(sorted({seed for side in (better, other) for seed in side.conditions.training_seeds})),
        runs=(better, other),
        same_training=same,
        decidable=difference.unknown != ONE_CLUSTER,
    )


def _value(record: Record, metric: str, aggregation: str | None) -> Value | None:
    """The number of a side; without a named aggregation, the one that needs no ground truth."""
    return record.value(metric, headline(record) if aggregation is None else aggregation)


def _is_decided(found: _Measured, adjusted: float | None) -> bool:
    return adjusted is not None and adjusted <= error_rate(found.claim.look)


def _judged(found: _Measured, adjusted: float | None, still_open: int) -> Judged:
    verdict: Verdict = "open"
    why_open, resolvable = found.why_not, None
    if found.difference is not None and adjusted is not None:
        resolvable = found.difference.resolvable(error_rate(found.claim.look) / still_open)
        if _is_decided(found, adjusted):
            verdict = "supported" if found.difference.difference * found.sign > 0 else "refuted"
        else:
            why_open = "not beyond chance"
    return Judged(
        found.claim, verdict, found.difference, adjusted, resolvable, found.unit, found.seeds, why_open,
        found.runs, found.same_training, found.decidable and found.claim.between is None,
    )  # fmt: skip
