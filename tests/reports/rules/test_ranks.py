"""Chances of ranks, the groups that cannot be told apart, and the table and the figure of both."""

import numpy as np
import pytest

from bench.results.statistics.intervals import draw_means, paired_difference
from bench.results.statistics.variance import Sample
from reports.figures.evidence.ranks import critical_differences
from reports.rules.ranks import alike, pairs_apart, ranked
from reports.tables.evidence.ranks import ranks
from tests.reports.made_up import record, several


def trained(title, mean, spread=0.01):
    return several(record("mixste", title=title, mean=mean), spread=spread)


def test_clear_differences_have_sure_ranks():
    best, middle, worst = ranked([trained("b", 51), trained("c", 52), trained("a", 50)])
    assert [one.record.title for one in (best, middle, worst)] == ["a", "b", "c"]
    assert best.chances == (1, 0, 0)
    assert worst.chances == (0, 0, 1)
    assert best.beats_next > 0.97
    assert worst.beats_next is None


def test_equal_methods_share_their_ranks_and_are_one_group():
    methods = ranked([trained("a", 50, 1.0), trained("b", 50, 1.0), trained("c", 90, 1.0)])
    assert methods[0].chances[0] == pytest.approx(0.5, abs=0.1)
    assert sum(methods[0].chances) == pytest.approx(1)
    assert alike(methods) == [(0, 1)]
    assert alike(ranked([trained("a", 50), trained("b", 60)])) == []


def test_a_noisy_method_is_not_told_apart_from_one_that_is_not_its_neighbour():
    methods = ranked([trained("a", 50, 0.05), trained("b", 51, 0.05), trained("c", 52, 6.0)])
    assert pairs_apart(methods) == {(0, 1)}
    assert alike(methods) == [(1, 2)], "of methods that follow one another"


def test_entries_of_the_same_trainings_share_their_luck():
    right = record("mixste", mean=50.0, training_id="same")
    wrong = record("mixste", mean=50.5, training_id="same", variant="label=wrong")
    first, last = ranked([several(made, spread=3.0) for made in (right, wrong)])
    assert first.beats_next == pytest.approx(1)
    assert first.chances == last.chances[::-1] == (1, 0), "a constant offset stays constant"


def test_who_shares_a_training_changes_nothing_for_those_with_their_own():
    rng = np.random.default_rng(0)
    takes = 50 + rng.normal(size=(3, 3, 1)) + 0.1 * rng.normal(size=(3, 3, 12))
    samples = [Sample(errors, (100,) * 12, ("Walking",) * 12) for errors in takes]
    own = draw_means(samples, 50)
    assert (draw_means(samples, 50, "abc") == own).all()
    shared = draw_means(samples, 50, "aab")
    assert (shared[:, [0, 2]] == own[:, [0, 2]]).all()
    assert (shared[:, 1] != own[:, 1]).any()


def test_methods_of_one_seed_are_not_ranked():
    once = [record("mixste", title=title) for title in "ab"]
    assert ranked(once) == []
    assert ranks(once, "T").blocks == ()
    assert list(critical_differences(once)) == []


def test_the_table_and_the_figure():
    entries = [trained("a", 50), trained("b", 60), trained("c", 60.001)]
    (block,) = ranks(entries, "T").blocks
    assert [row.cells[0].text for row in block.rows] == ["a", "b", "c"]
    assert block.rows[0].cells[3].text == "100"
    (drawing,) = critical_differences(entries)
    assert drawing.name == "critical"
    assert "methods that follow one another and of which no two are told apart" in drawing.caption


def test_drawn_means_are_spread_as_the_intervals_of_their_differences():
    """Half of a difference's draws that lie beyond the end of its interval: 2.5 %, as far as 3 seeds can tell."""
    rng = np.random.default_rng(0)
    takes = rng.normal(size=40)
    subjects = tuple(f"P{n // 2}" for n in range(40))

    def sample(mean):
        errors = mean + takes + rng.normal(size=(6, 1)) + 0.5 * rng.normal(size=(6, 40))
        return Sample(errors, (100,) * 40, ("Walking",) * 40, subjects)

    pair = sample(50), sample(52)
    gap = paired_difference(*pair)
    differences = np.subtract(*draw_means(pair, 20_000).T)
    assert differences.mean() == pytest.approx(gap.difference, abs=0.05)
    beyond = np.mean((differences < gap.low) | (differences > gap.high))
    assert 0.02 < beyond < 0.09
    assert gap.chance_below == pytest.approx(np.mean(differences < 0), abs=0.05)
