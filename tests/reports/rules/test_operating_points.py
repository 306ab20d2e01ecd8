"""Which points are worth their cost: what costs more must be shown to be better."""

import pytest

from reports.rules.operating_points import on_front, operating_points
from tests.reports.made_up import record, several


def front(*records):
    """Names of the runs on the front."""
    points = operating_points(records)
    return {points[index].record.title for index in on_front(points)}


def trained(title, mean, median, **changes):
    return several(record("mixste", title=title, mean=mean, median=median, **changes))


def test_what_costs_more_is_on_the_front_only_where_it_is_shown_to_be_better():
    cheap, better = trained("cheap", 60, 1.0), trained("better", 50, 2.0)
    same, worse = trained("same", 49.999, 3.0), trained("worse", 61, 4.0)
    assert front(cheap, better, same, worse) == {"cheap", "better"}
    assert front(same, worse, better) == {"better"}


def test_a_cheaper_point_stays_whatever_its_error_is():
    assert front(trained("fast", 200, 0.1), trained("good", 50, 9.0)) == {"fast", "good"}


def test_trainings_of_one_seed_do_not_keep_each_other_off():
    once = [
        record("mixste", title=title, mean=mean, median=ms) for title, mean, ms in (("a", 50, 1.0), ("b", 60, 2.0))
    ]
    assert front(*once) == {"a", "b"}


@pytest.mark.parametrize(("memory", "expected"), [(100.0, {"cheap", "small"}), (900.0, {"cheap"})])
def test_memory_counts_as_a_cost(memory, expected):
    slow = trained("small", 60, 2.0)
    slow = slow.model_copy(update={"cost": slow.cost.model_copy(update={"peak_memory_mb": memory})})
    assert front(trained("cheap", 60, 1.0), slow) == expected
