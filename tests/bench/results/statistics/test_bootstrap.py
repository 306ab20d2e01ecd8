from __future__ import annotations

import time

import numpy as np
import pytest

from bench.results.statistics.bootstrap import interval
from bench.results.statistics.variance import action_mean
from tests.bench.results.statistics.simulation import takes


def test_the_same_seed_gives_the_same_interval_that_holds_the_mean() -> None:
    errors, frames, action = takes(0)
    low, high = interval(errors, frames, action, 1)
    assert (low, high) == interval(errors, frames, action, 1)
    assert low < action_mean(errors, frames, action) < high
    assert (low, high) != interval(errors, frames, action, 2)


def test_many_values_share_their_resamples() -> None:
    errors, frames, action = takes(0)
    both = np.stack([errors, errors + 5 * frames])
    low, high = interval(both, frames, action, 0)
    np.testing.assert_allclose(low[1] - low[0], 5)
    np.testing.assert_allclose(high[1] - high[0], 5)


@pytest.mark.parametrize("per_action", [2, 4])
def test_coverage(per_action: int) -> None:
    truth = 40 + np.arange(15).mean()
    intervals = [interval(*takes(seed, per_action), seed, 500) for seed in range(300)]
    covered = np.mean([low <= truth <= high for low, high in intervals])
    assert 0.90 <= covered <= 0.985


def test_a_single_take_per_action_is_not_taken_for_certainty() -> None:
    errors, frames, action = takes(0, per_action=1)
    low, high = interval(errors, frames, action, 0)
    assert high - low > 2
    errors, frames, action = takes(0, per_action=4)
    mixed = np.where(np.arange(len(action)) == 0, 99, action)
    low_mixed, high_mixed = interval(errors, frames, mixed, 0)
    assert high_mixed - low_mixed < high - low


def test_one_take_alone_has_no_spread() -> None:
    low, high = interval([50.0], [10], ["Walking"], 0)
    assert low == high == 5


def test_a_full_test_set_takes_milliseconds() -> None:
    errors, frames, action = takes(0, per_action=16)
    seconds = []
    for seed in range(3):
        start = time.process_time()
        interval(errors, frames, action, seed)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05
