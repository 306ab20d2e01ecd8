from __future__ import annotations

import time

import numpy as np
import pytest

from bench.results.statistics import (
    Sample,
    action_mean,
    action_minus_frame_mean,
    interval,
    paired_difference,
    pooled_interval,
    pooled_mean,
)


def takes(seed: int, per_action: int = 4, actions: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of errors, frames and actions of takes whose true action means are 40 + action."""
    rng = np.random.default_rng(seed)
    action = np.repeat(np.arange(actions), per_action)
    frames = rng.integers(500, 3000, len(action))
    return frames * (40 + action + rng.normal(0, 6, len(action))), frames, action


def one_seed(errors: np.ndarray, frames: np.ndarray, action: np.ndarray) -> Sample:
    return sample((errors / frames)[None], frames, action)


def sample(errors: np.ndarray, frames: np.ndarray, action: np.ndarray) -> Sample:
    return Sample(errors, tuple(frames.tolist()), tuple(map(str, action.tolist())))


def test_action_mean_weighs_actions_equally_and_frames_within() -> None:
    value = action_mean([10, 90, 50], [1, 3, 10], ["Walking", "Walking", "Eating"])
    assert value == pytest.approx((100 / 4 + 5) / 2)


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


def test_paired_difference_sees_what_intervals_hide() -> None:
    errors, frames, action = takes(0)
    rng = np.random.default_rng(3)
    better = errors - frames * (1 + rng.normal(0, 0.3, len(errors)))
    first, second = (interval(e, frames, action, 0) for e in (errors, better))
    assert first[0] < second[1], "the intervals of the two overlap"
    gap = paired_difference(one_seed(errors, frames, action), one_seed(better, frames, action))
    assert not gap.indistinguishable
    assert gap.p_value < 0.01
    assert gap.low < gap.difference < gap.high
    assert gap.difference == pytest.approx(1, abs=0.2)


def test_noise_alone_is_indistinguishable() -> None:
    verdicts = []
    for seed in range(200):
        errors, frames, action = takes(seed)
        other = errors + frames * np.random.default_rng(seed + 1000).normal(0, 1, len(errors))
        gap = paired_difference(one_seed(errors, frames, action), one_seed(other, frames, action), seed)
        verdicts.append(gap.indistinguishable)
        assert gap.indistinguishable == (gap.p_value > 0.05) or 0.02 < gap.p_value < 0.09
    assert 0.90 <= np.mean(verdicts) <= 0.99
    same = paired_difference(one_seed(errors, frames, action), one_seed(errors, frames, action))
    assert same.indistinguishable
    assert same.p_value == 1


def test_a_full_test_set_takes_milliseconds() -> None:
    errors, frames, action = takes(0, per_action=16)
    seconds = []
    for seed in range(3):
        start = time.process_time()
        interval(errors, frames, action, seed)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05


def test_one_seed_has_the_interval_of_its_takes() -> None:
    errors, frames, action = takes(0)
    alone = one_seed(errors, frames, action)
    np.testing.assert_allclose(pooled_interval(alone, 4), interval(errors, frames, list(map(str, action)), 4))
    assert pooled_mean(alone) == pytest.approx(action_mean(errors, frames, action))


def test_seeds_widen_the_interval_by_their_spread() -> None:
    """Seeds that lie 3 mm apart (standard deviation) with few takes' noise: the interval is that of their mean."""
    covered = []
    for trial in range(200):
        rng = np.random.default_rng(trial)
        action, frames = np.repeat(np.arange(15), 4), np.full(60, 100)
        errors = 50 + rng.normal(0, 3, (8, 1)) + rng.normal(0, 2, (1, 60)) * np.ones((8, 1))
        low, high = pooled_interval(sample(errors, frames, action), trial)
        covered.append(low <= 50 <= high)
    assert 0.85 <= np.mean(covered) <= 0.99
    alone = pooled_interval(sample(errors[:1], frames, action))
    assert high - low > 2 * (alone[1] - alone[0])


def test_trainings_of_both_sides_cancel_only_if_they_are_the_same() -> None:
    rng = np.random.default_rng(0)
    action, frames = np.repeat(np.arange(5), 4), np.full(20, 100)
    errors = 50 + rng.normal(0, 5, (4, 1)) + rng.normal(0, 2, (1, 20))
    first, second = sample(errors, frames, action), sample(errors - 1, frames, action)
    same = paired_difference(first, second, same_trainings=True)
    assert (same.low, same.high) == pytest.approx((1, 1))
    apart = paired_difference(first, second)
    assert apart.difference == pytest.approx(1)
    assert apart.high - apart.low > 2


def test_what_the_order_of_averaging_changes() -> None:
    frames, action = np.array([100, 100, 900, 900]), np.array(["Eating", "Eating", "Walking", "Walking"])
    gap = action_minus_frame_mean(sample(np.array([[40.0, 44.0, 60.0, 66.0]]), frames, action))
    assert gap.difference == pytest.approx((42 + 63) / 2 - (0.1 * 42 + 0.9 * 63))
    assert gap.low < gap.difference < gap.high


def test_means_over_all_frames_have_intervals_and_differences_of_their_own() -> None:
    errors, frames, action = np.array([10.0, 20.0, 60.0, 30.0]), (100, 300, 50, 150), ("a", "b", "c", "d")
    one = Sample(errors[None], frames, action)
    assert pooled_mean(one, over="frames") == pytest.approx((errors * frames).sum() / 600)
    assert pooled_mean(one) == pytest.approx(errors.mean())
    low, high = pooled_interval(one, over="frames")
    assert low < pooled_mean(one, over="frames") < high
    assert (low, high) != pooled_interval(one)
    gap = paired_difference(one, Sample(errors[None] - 2, frames, action), over="frames")
    assert (gap.difference, gap.low, gap.high) == pytest.approx((2, 2, 2))
