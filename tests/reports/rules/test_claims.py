"""Verdicts on claims, from runs with invented errors of takes."""

import numpy as np
import pytest

from bench.results.run_set import Claim
from bench.results.statistics.intervals import ONE_TRAINING
from reports.rules.claims import error_rate, holm, in_words, judge
from tests.reports import made_up

TAKES = 12


def runs(method, mean, seeds, training=None, spread=0.2):
    """Runs of a method, one per seed, whose takes differ alike in all methods."""
    shift = np.linspace(-5, 5, TAKES)
    found = []
    for seed in seeds:
        jitter = np.random.default_rng([seed, len(method)]).normal(0, spread, TAKES)
        values = made_up.values(mean, probabilistic=method in made_up.PROBABILISTIC, hypotheses=10)
        values = tuple(
            value.model_copy(update={"per_take": (tuple(value.action_mean + shift + jitter),)}) for value in values
        )
        changes = {} if training is None else {"training_id": f"{training}{seed}"}
        found.append(made_up.record(method, seed=seed, hypotheses=10, mean=mean, values_=values, **changes))
    return found


def verdict(better, other, **claim):
    return judge([claim_of(better, other, **claim)], {record.id: record for record in better + other})[0]


def claim_of(better, other, **claim):
    ids = {side: tuple(r.id for r in records) for side, records in (("better", better), ("other", other))}
    return Claim(text="One is better than the other", metric="mpjpe", **ids, **claim)


def test_a_clear_difference_supports_or_refutes_by_its_sign():
    good, bad = runs("finepose", 40, range(4)), runs("tcn", 60, range(4))
    supported, refuted = verdict(good, bad), verdict(bad, good)
    assert (supported.verdict, refuted.verdict) == ("supported", "refuted")
    assert supported.difference.difference == pytest.approx(-20, abs=0.5)
    assert supported.seeds == (0, 1, 2, 3)


def test_a_difference_within_the_spread_of_seeds_is_open():
    found = verdict(runs("finepose", 50, range(3), spread=2), runs("tcn", 50.1, range(3), spread=2))
    assert found.verdict == "open"
    assert found.why_open == "not beyond chance"
    assert found.resolvable == found.difference.resolvable() > 0.1


def test_one_seed_decides_nothing_about_two_trainings():
    found = verdict(runs("finepose", 40, [0]), runs("tcn", 60, [0]))
    assert found.verdict == "open"
    assert found.why_open == ONE_TRAINING
    assert found.adjusted is None


def test_one_seed_decides_within_a_training():
    records = runs("finepose", 50, [0])
    found = verdict(records, records, aggregations=("J-Best", "P-Agg"))
    assert found.same_training
    assert found.verdict == "supported"


def test_a_training_made_again_with_other_losses_is_another_one():
    made, again = (runs("finepose", mean, [0], training="t") for mean in (40, 60))
    other = [record.model_copy(update={"id": "again"}) for record in again]
    assert verdict(made, other).same_training
    training = other[0].training.model_copy(update={"loss": (9.0,)})
    drifted = [other[0].model_copy(update={"training": training})]
    assert not verdict(made, drifted).same_training


def test_a_claim_of_one_number_is_not_tested():
    """Both sides are the same where --set gives them the same H."""
    records = runs("finepose", 50, range(3))
    found = verdict(records, records, aggregations=("P-Agg", "P-Agg"))
    assert (found.verdict, found.adjusted) == ("open", None)
    assert "both sides are the same runs" in found.why_open


def test_without_a_record_a_claim_is_open_and_says_why():
    found = judge([claim_of(runs("finepose", 40, [0]), runs("tcn", 60, [0]))], {})[0]
    assert (found.verdict, found.why_open) == ("open", "its runs have no record")
    assert in_words([found])[1] == "Open (its runs have no record): One is better than the other."


def test_an_aggregation_that_a_method_lacks_is_said():
    found = verdict(runs("tcn", 40, range(2)), runs("mixste", 60, range(2)), aggregations=("J-Best", None))
    assert found.verdict == "open"
    assert "lack the number" in found.why_open


def test_holm_multiplies_the_smallest_most_and_keeps_the_order():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_what_is_resolvable_is_so_at_the_level_that_other_open_claims_leave():
    good, near, far = runs("finepose", 50, range(3)), runs("mixste", 50.1, range(3)), runs("tcn", 60, range(4))
    records = {record.id: record for record in good + near + far}
    alone = judge([claim_of(good, near)], records)[0]
    assert alone.resolvable == alone.difference.resolvable(0.05)
    first, second, decided = judge([claim_of(good, near), claim_of(near, good), claim_of(good, far)], records)
    assert (first.verdict, second.verdict, decided.verdict) == ("open", "open", "supported")
    assert first.resolvable == pytest.approx(first.difference.resolvable(0.05 / 2))
    assert decided.resolvable == pytest.approx(decided.difference.resolvable(0.05 / 3))
    assert first.resolvable > alone.resolvable


def test_looks_spend_no_more_than_the_error_rate():
    assert error_rate(0) == 0.05
    assert error_rate(1) == pytest.approx(0.025)
    assert sum(error_rate(look) for look in range(1, 10_000)) < 0.05


def test_a_later_look_needs_stronger_evidence():
    good, bad = runs("finepose", 49.0, range(3), spread=1.5), runs("tcn", 51.5, range(3), spread=1.5)
    p_value = verdict(good, bad).difference.p_value
    assert 0.05 / (40 * 41) < p_value < 0.05
    assert verdict(good, bad).verdict == "supported"
    assert verdict(good, bad, look=40).verdict == "open"


def test_words_name_the_decided_claims_first():
    good, bad = runs("finepose", 40, range(4)), runs("tcn", 60, range(4))
    records = {record.id: record for record in good + bad}
    lines = in_words(judge([claim_of([], bad), claim_of(good, bad)], records))
    assert lines[0] == "Of 2 claims: 1 supported, 0 refuted, 1 open."
    assert ": supported (−2" in lines[1]
    assert in_words([]) == []
