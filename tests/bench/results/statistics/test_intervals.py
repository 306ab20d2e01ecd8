"""Means and differences over trainings and clusters; how often their intervals hold, by simulation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from bench.results.statistics.intervals import (
    ONE_TRAINING,
    action_minus_frame_mean,
    against_best,
    holm,
    paired_difference,
    pooled_interval,
    pooled_mean,
)
from bench.results.statistics.variance import Sample, action_mean
from tests.bench.results.statistics.simulation import (
    BEGIN,
    PAGE,
    RATIOS,
    TRAININGS,
    Ratio,
    called_different,
    coverage,
    gains_called_different,
    tables_in_error,
    takes,
)


def one_seed(errors: np.ndarray, frames: np.ndarray, action: np.ndarray) -> Sample:
    return sample((errors / frames)[None], frames, action)


def sample(errors: np.ndarray, frames: np.ndarray, action: np.ndarray) -> Sample:
    return Sample(errors, tuple(frames.tolist()), tuple(map(str, action.tolist())))


def test_action_mean_weighs_actions_equally_and_frames_within() -> None:
    value = action_mean([10, 90, 50], [1, 3, 10], ["Walking", "Walking", "Eating"])
    assert value == pytest.approx((100 / 4 + 5) / 2)
    errors, frames, action = takes(0)
    assert pooled_mean(one_seed(errors, frames, action)) == pytest.approx(action_mean(errors, frames, action))


@pytest.mark.parametrize("trainings", TRAININGS)
def test_intervals_hold_the_truth(trainings: int) -> None:
    for ratio in RATIOS:
        for clusters in (2, 7, 20):
            held = coverage(ratio, trainings, clusters, 4000)
            known = trainings >= 5 and clusters >= 7 and ratio.rest < 1
            assert 0.94 <= held <= (0.98 if known else 0.998), (ratio, clusters)


@pytest.mark.parametrize("trainings", [2, 3, 10])
def test_equal_methods_are_seldom_called_different(trainings: int) -> None:
    for ratio in (Ratio(1, 0, 0), Ratio(1, 0.3, 0.3), Ratio(0.3, 1, 0.3)):
        assert called_different(ratio, trainings, 20, 300) <= 0.075, ratio  # 0.05 and twice the noise of 300


def test_of_many_equal_methods_none_is_called_worse_than_the_best() -> None:
    assert tables_in_error(Ratio(1, 0.3, 0.3), 6, 3, 20, 100) <= 0.10  # 0.05 and twice the noise of 100


def test_equal_gains_on_two_data_sets_are_seldom_called_different() -> None:
    for ratio in (Ratio(1, 0.3, 0.3), Ratio(0.3, 1, 0.3)):
        for clusters in ((45, 6), (7, 20)):
            assert gains_called_different(ratio, 3, clusters, 300) <= 0.075, ratio  # as above


def test_a_difference_of_differences_adds_variances_and_welch_s_freedom() -> None:
    rng = np.random.default_rng(0)
    errors = [rng.normal(mean, 4, count) for mean, count in ((40, 30), (45, 30), (60, 7), (62, 7))]
    samples = [sample(one[None], np.full(len(one), 100), np.zeros(len(one))) for one in errors]
    first, second = (paired_difference(*pair, same_trainings=True) for pair in (samples[:2], samples[2:]))
    gap = first.minus(second)
    expected = stats.ttest_ind(errors[0] - errors[1], errors[2] - errors[3], equal_var=False)
    interval = expected.confidence_interval()
    assert gap.difference == pytest.approx(first.difference - second.difference)
    assert (gap.low, gap.high) == pytest.approx((interval.low, interval.high))
    assert gap.p_value == pytest.approx(expected.pvalue)
    back = second.minus(first)
    assert (back.difference, back.low, back.high) == pytest.approx((-gap.difference, -gap.high, -gap.low))
    assert back.resolvable() == pytest.approx(gap.resolvable())


def test_a_difference_without_an_interval_leaves_none_to_that_of_two() -> None:
    errors, frames, action = takes(0)
    one = one_seed(errors, frames, action)
    known, unknown = paired_difference(one, one, same_trainings=True), paired_difference(one, one)
    for gap in (known.minus(unknown), unknown.minus(known)):
        assert gap.unknown == ONE_TRAINING
        assert np.isnan(gap.low)
        assert gap.indistinguishable


def test_takes_are_drawn_within_their_action() -> None:
    for actions, takes_each in ((10, 2), (5, 4)):
        assert 0.93 <= coverage(Ratio(1, 1, 0), 10, actions * takes_each, 3000, actions) <= 0.985
    easy_and_hard = np.repeat([10.0, 90.0], 4)[None] + np.tile([-1, 1], 4)
    low, high = pooled_interval(sample(easy_and_hard, np.full(8, 100), np.repeat([0, 1], 4)))
    assert high - low < 3, "that actions differ does not widen the interval"


def test_subjects_are_drawn_with_all_their_takes() -> None:
    rng = np.random.default_rng(0)
    subject, action = np.repeat(np.arange(8), 10), np.tile(np.arange(10), 8)
    errors = (50 + rng.normal(0, 5, 8)[subject] + rng.normal(0, 0.1, 80))[None]
    by_take = sample(errors, np.full(80, 100), action)
    by_subject = dataclasses.replace(by_take, subjects=tuple(map(str, subject)))
    (low, high), (wide_low, wide_high) = pooled_interval(by_take), pooled_interval(by_subject)
    assert wide_high - wide_low > 2.5 * (high - low)
    assert (wide_high - wide_low) / 2 == pytest.approx(
        2.365 * errors.reshape(8, 10).mean(1).std(ddof=1) / 8**0.5, 1e-3
    )


@pytest.mark.parametrize("over", ["actions", "frames"])
@pytest.mark.parametrize("drawn", ["takes", "subjects", "subjects that do half of the actions"])
@pytest.mark.parametrize("lengths", [(100,), (100, 300), (100, 100, 800)])
def test_the_variance_is_right_whatever_the_lengths_of_takes_are(lengths, drawn, over) -> None:
    """A take that is most of its action lies near the action's mean for this reason alone."""
    rng = np.random.default_rng(4)
    every = [(f"P{who}", f"a{what}") for who in range(6) for what in range(8)]
    takes = [
        place for place, (who, what) in enumerate(every) if "half" not in drawn or place % 8 % 2 == place // 8 % 2
    ]
    subjects, actions = zip(*(every[place] for place in takes), strict=True)
    frames = tuple(rng.permutation(np.resize(lengths, len(takes))).tolist())
    people = np.unique(subjects, return_inverse=True)[1]
    errors = rng.normal(50, 3, (4000, len(takes)))
    errors += (drawn != "takes") * rng.normal(0, 3, (4000, 6))[:, people]
    made = Sample(errors[:, None], frames, actions, subjects if drawn != "takes" else (), trained=False)
    low, high = pooled_interval(made, over)
    held = np.mean((low <= 50) & (high >= 50))
    assert held == pytest.approx(0.95, abs=0.02)


def test_the_two_way_estimate_is_that_of_the_textbook() -> None:
    errors = np.random.default_rng(0).normal(50, 3, (3, 6)) + np.array([[0], [5], [9]]) + np.arange(6)
    low, high = pooled_interval(Sample(errors, (1,) * 6, ("a",) * 6, tuple("ABCDEF")))
    means = errors.mean(1, keepdims=True), errors.mean(0, keepdims=True)
    seeds, clusters = 6 * means[0].var(ddof=1), 3 * means[1].var(ddof=1)
    rest = np.square(errors - means[0] - means[1] + errors.mean()).sum() / (2 * 5)
    error = np.sqrt((seeds + clusters - rest) / 18)
    quantile = (seeds * 4.30265 + clusters * 2.57058) / (seeds + clusters)
    assert (high - low) / 2 == pytest.approx(error * quantile, 1e-4)
    assert (high + low) / 2 == pytest.approx(errors.mean())


def test_a_single_take_per_action_is_not_taken_for_certainty() -> None:
    low, high = pooled_interval(one_seed(*takes(0, per_action=1)))
    assert high - low > 2
    errors, frames, action = takes(0)
    mixed = np.where(np.arange(len(action)) == 0, 99, action)
    low_mixed, high_mixed = pooled_interval(one_seed(errors, frames, mixed))
    assert high_mixed - low_mixed < high - low


def test_one_take_alone_shows_no_spread() -> None:
    alone = Sample(np.array([[50.0], [52.0]]), (10,), ("Walking",))
    assert np.isnan(pooled_interval(alone)).all()
    gap = paired_difference(alone, alone)
    assert gap.unknown
    assert gap.indistinguishable


def test_a_single_training_is_one_more_draw_of_the_same_method() -> None:
    """Without takes that differ, the interval is that of one more observation beside N."""
    shifts = np.array([0.0, 1.0, 2.0, 5.0])
    frames, action = np.full(12, 100), np.repeat(np.arange(3), 4)
    several, one = (
        sample(50 + np.repeat(rows[:, None], 12, axis=1), frames, action) for rows in (shifts, np.array([9.0]))
    )
    assert paired_difference(one, several).unknown.startswith("one training each")
    assert paired_difference(one, one, same_method=True).unknown.startswith("one training each")
    half = stats.t.ppf(0.975, 3) * shifts.std(ddof=1) * np.sqrt(1 + 1 / 4)
    for gap in (
        paired_difference(one, several, same_method=True),
        paired_difference(several, one, same_method=True),
    ):
        assert abs(gap.difference) == pytest.approx(7)
        assert (gap.high - gap.low) / 2 == pytest.approx(half)


def test_paired_difference_sees_what_intervals_hide() -> None:
    errors, frames, action = takes(0)
    better = errors - frames * (1 + np.random.default_rng(3).normal(0, 0.3, len(errors)))
    (low, _), (_, high) = (pooled_interval(one_seed(e, frames, action)) for e in (errors, better))
    assert low < high, "the intervals of the two overlap"
    gap = paired_difference(
        one_seed(errors, frames, action), one_seed(better, frames, action), same_trainings=True
    )
    assert not gap.indistinguishable
    assert gap.p_value < 0.01
    assert gap.low < gap.difference < gap.high
    assert gap.difference == pytest.approx(1, abs=0.2)


def test_noise_alone_is_indistinguishable() -> None:
    verdicts = []
    for seed in range(200):
        errors, frames, action = takes(seed)
        other = errors + frames * np.random.default_rng(seed + 1000).normal(0, 1, len(errors))
        sides = [one_seed(e, frames, action) for e in (errors, other)]
        gap = paired_difference(*sides, same_trainings=True)
        verdicts.append(gap.indistinguishable)
        assert gap.indistinguishable == (gap.p_value > 0.05)
    assert 0.90 <= np.mean(verdicts) <= 0.99
    same = paired_difference(sides[0], sides[0], same_trainings=True)
    assert same.indistinguishable
    assert same.p_value == 1


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
    assert apart.indistinguishable == (apart.p_value > 0.05)


def test_one_training_each_is_not_compared_but_with_what_needs_none() -> None:
    errors, frames, action = takes(0)
    first, second = one_seed(errors, frames, action), one_seed(errors - 9 * frames, frames, action)
    assert paired_difference(first, second).unknown.startswith("one training each")
    fixed = dataclasses.replace(second, trained=False)
    assert not paired_difference(first, fixed).indistinguishable
    assert not paired_difference(fixed, first).indistinguishable
    several = dataclasses.replace(first, errors=first.errors + np.array([[-3.0], [3.0]]))
    assert paired_difference(several, fixed).indistinguishable, "its seeds differ by more than the gap can bear"


def test_what_could_have_been_found() -> None:
    """Gaps of the size that is called resolvable are found in about 80 % of simulated cases."""
    rng = np.random.default_rng(0)
    found, sizes = [], []
    for _ in range(300):
        sides = [
            Sample(50 + rng.normal(0, 1, (5, 1)) + np.zeros((1, 8)), (1,) * 8, ("a",) * 8, tuple("ABCDEFGH"))
            for _ in "ab"
        ]
        gap = paired_difference(*sides)
        sizes.append(gap.resolvable())
        moved = dataclasses.replace(sides[0], errors=sides[0].errors + 2.02)
        found.append(not paired_difference(moved, sides[1]).indistinguishable)
    assert np.mean(sizes) == pytest.approx(2.02, abs=0.15)
    assert 0.72 <= np.mean(found) <= 0.88


def test_many_comparisons_are_corrected() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert against_best([0.02]) == [0.02], "two methods are one comparison"
    assert against_best([0.01, 0.04, 0.001]) == pytest.approx([0.03, 0.04, 0.006]), "of 4, 3 and 2 methods"


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
    gap = paired_difference(one, Sample(errors[None] - 2, frames, action), same_trainings=True, over="frames")
    assert (gap.difference, gap.low, gap.high) == pytest.approx((2, 2, 2))


def test_the_page_has_the_table_of_the_simulation() -> None:
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2]
    cells = [cell.split(" / ") for line in table.splitlines() if " / " in line for cell in line.split("|")[3:-1]]
    assert len(cells) == len(TRAININGS) * 3 * len(RATIOS)
    assert all(float(held) >= 93 and float(different) <= 6 for held, different in cells)
