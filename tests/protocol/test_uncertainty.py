from __future__ import annotations

import time

import numpy as np
import pytest

from bench.protocol.uncertainty import action_mean, interval, paired_difference


def takes(seed: int, per_action: int = 4, actions: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of errors, frames and actions of takes whose true action means are 40 + action."""
    rng = np.random.default_rng(seed)
    action = np.repeat(np.arange(actions), per_action)
    frames = rng.integers(500, 3000, len(action))
    return frames * (40 + action + rng.normal(0, 6, len(action))), frames, action


def test_action_mean_weighs_actions_equally_and_frames_within() -> None:
    value = action_mean([10, 90, 50], [1, 3, 10], ["Walking", "Walking", "Eating"])
    assert value == pytest.approx((100 / 4 + 5) / 2)


def test_same_generator_gives_the_same_interval_that_holds_the_mean() -> None:
    errors, frames, action = takes(0)
    low, high = interval(errors, frames, action, np.random.default_rng(1))
    assert (low, high) == interval(errors, frames, action, np.random.default_rng(1))
    assert low < action_mean(errors, frames, action) < high
    assert (low, high) != interval(errors, frames, action, np.random.default_rng(2))


def test_many_values_share_their_resamples() -> None:
    errors, frames, action = takes(0)
    both = np.stack([errors, errors + 5 * frames])
    low, high = interval(both, frames, action, np.random.default_rng(0))
    np.testing.assert_allclose(low[1] - low[0], 5)
    np.testing.assert_allclose(high[1] - high[0], 5)


@pytest.mark.parametrize("per_action", [2, 4])
def test_coverage(per_action: int) -> None:
    truth = 40 + np.arange(15).mean()
    intervals = [interval(*takes(seed, per_action), np.random.default_rng(seed), 500) for seed in range(300)]
    covered = np.mean([low <= truth <= high for low, high in intervals])
    assert 0.90 <= covered <= 0.985


def test_a_single_take_per_action_is_not_taken_for_certainty() -> None:
    errors, frames, action = takes(0, per_action=1)
    low, high = interval(errors, frames, action, np.random.default_rng(0))
    assert high - low > 2
    errors, frames, action = takes(0, per_action=4)
    mixed = np.where(np.arange(len(action)) == 0, 99, action)
    low_mixed, high_mixed = interval(errors, frames, mixed, np.random.default_rng(0))
    assert high_mixed - low_mixed < high - low


def test_one_take_alone_has_no_spread() -> None:
    low, high = interval([50.0], [10], ["Walking"], np.random.default_rng(0))
    assert low == high == 5


def test_paired_difference_sees_what_intervals_hide() -> None:
    errors, frames, action = takes(0)
    rng = np.random.default_rng(3)
    better = errors - frames * (1 + rng.normal(0, 0.3, len(errors)))
    first, second = (interval(e, frames, action, np.random.default_rng(0)) for e in (errors, better))
    assert first[0] < second[1], "the intervals of the two overlap"
    gap = paired_difference(errors, better, frames, action, np.random.default_rng(0))
    assert not gap.indistinguishable
    assert gap.p_value < 0.01
    assert gap.low < gap.difference < gap.high
    assert gap.difference == pytest.approx(1, abs=0.2)


def test_noise_alone_is_indistinguishable() -> None:
    verdicts = []
    for seed in range(200):
        errors, frames, action = takes(seed)
        other = errors + frames * np.random.default_rng(seed + 1000).normal(0, 1, len(errors))
        gap = paired_difference(errors, other, frames, action, np.random.default_rng(seed), 500)
        verdicts.append(gap.indistinguishable)
        assert gap.indistinguishable == (gap.p_value > 0.05) or 0.02 < gap.p_value < 0.09
    assert 0.90 <= np.mean(verdicts) <= 0.99
    same = paired_difference(errors, errors, frames, action, np.random.default_rng(0))
    assert same.indistinguishable
    assert same.p_value == 1


def test_a_full_test_set_takes_milliseconds() -> None:
    errors, frames, action = takes(0, per_action=16)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        interval(errors, frames, action, np.random.default_rng(0))
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05
