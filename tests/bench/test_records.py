"""Records of several seeds, and differences of two records."""

import pytest

from bench.records_pool import pool
from tests.reports.made_up import ACTIONS, record, values

TAKES = 2 * len(ACTIONS)


def with_takes(means, *, seed=0, method="mixste", **changes):
    """A record whose only value has these errors per take."""
    (value,) = (v for v in values(sum(means) / len(means)) if v.metric == "mpjpe")
    return record(method, seed=seed, values_=(value.model_copy(update={"per_take": (tuple(means),)}),), **changes)


def test_seeds_are_pooled_and_nothing_else_is():
    first, second = (with_takes([50.0 + seed + take for take in range(TAKES)], seed=seed) for seed in (0, 1))
    other = with_takes([40.0] * TAKES, method="tcn")
    pooled, alone = pool([first, second, other])
    assert alone is other
    assert pooled.runs == (first.id, second.id)
    assert pooled.conditions.training_seeds == (0, 1)
    value, (low, high) = pooled.values[0], (first.values[0], second.values[0])
    assert value.action_mean == pytest.approx((low.action_mean + high.action_mean) / 2)
    assert value.low < value.action_mean < value.high
    assert len(value.per_take) == 2
    assert [len(found) for found in map(pool, ([first], [first, first]))] == [1, 1]
    assert pool([first, first])[0].pooled == ()


def test_a_difference_is_paired_by_take():
    hard = [40.0 + 7 * take for take in range(TAKES)]
    first, other = with_takes(hard), with_takes([error - 2 for error in hard], method="tcn")
    gap = first.difference(first.values[0], other, other.values[0])
    assert gap.difference == pytest.approx(2)
    assert (gap.low, gap.high) == pytest.approx((2, 2))
    assert not gap.indistinguishable


def test_other_takes_have_no_paired_difference():
    first = with_takes([50.0] * TAKES)
    fewer = first.data.model_copy(update={"takes": first.data.takes[1:]})
    other = with_takes([50.0] * (TAKES - 1), method="tcn", data=fewer)
    assert first.difference(first.values[0], other, other.values[0]) is None
    unkept = record("tcn")
    assert first.difference(first.values[0], unkept, unkept.values[0]) is None
