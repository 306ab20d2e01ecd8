"""Claims about two data sets, from runs with invented errors of takes."""

import pytest

from bench.results.run_set import Claim
from bench.results.statistics.intervals import ONE_TRAINING
from reports.rules.claims import judge
from tests.reports.rules.test_claims import runs

FIRST, SECOND = "human36m", "mpi_inf_3dhp"


def on(name, records, content="", schedule=None, finished_at="2026-01-01"):
    """The same runs on another data set; its content, the schedule of training and the time may be others too."""
    return [
        record.model_copy(
            update={
                "id": f"{name}{content}{schedule}{finished_at}{record.id}",
                "experiment": record.experiment
                | {"data": {"name": name, "root": None, "detections": "gt"}}
                | {"training": record.experiment["training"] | {"epochs": schedule}},
                "data": record.data.model_copy(update={"fingerprint": f"{name}{content}"}),
                "finished_at": finished_at,
            }
        )
        for record in records
    ]


def sides(gain, seeds=range(3), spread=0.2):
    """Runs of FinePOSE and of D3DP, which the first beats by ``gain`` mm."""
    return runs("finepose", 50 - gain, seeds, spread=spread), runs("d3dp", 50, seeds, spread=spread)


def verdict(here, there, elsewhere=(), **claim):
    """On the claim that the runs of a sweep, ``here``, gain more on the first data set than on the second."""
    ids = [tuple(record.id for record in side) for side in here]
    claim = Claim(
        text="It gains more", metric="mpjpe", better=ids[0], other=ids[1], between=(FIRST, SECOND), **claim
    )
    found = [record for side in [*here, *there, *elsewhere] for record in side]
    return judge([claim], {record.id: record for record in found})[0]


def pair(name, gain, **changes):
    return [on(name, side, **changes) for side in sides(gain)]


def test_the_verdict_is_on_the_difference_of_the_differences():
    larger = verdict(pair(FIRST, 12), pair(SECOND, 2))
    assert larger.verdict == "supported"
    assert larger.difference.difference == pytest.approx(-10, abs=0.5)
    assert [run.experiment["data"]["name"] for run in larger.runs] == [FIRST, FIRST, SECOND, SECOND]
    assert verdict(pair(FIRST, 2), pair(SECOND, 12)).verdict == "refuted"
    assert verdict(pair(FIRST, 5), pair(SECOND, 5)).why_open == "not beyond chance"


def test_it_is_the_same_from_either_sweep():
    first, second = pair(FIRST, 12), pair(SECOND, 2)
    assert verdict(first, second).difference == verdict(second, first).difference


def test_without_the_other_data_set_it_is_open_and_says_why():
    assert verdict(pair(FIRST, 12), []).why_open == "not tested: needs such runs on mpi_inf_3dhp too"
    assert verdict(pair(SECOND, 12), []).why_open == "not tested: needs such runs on human36m too"
    nothing = verdict([[], []], pair(SECOND, 12))
    assert nothing.why_open == "not tested: needs runs on human36m and mpi_inf_3dhp"
    assert (nothing.verdict, nothing.adjusted) == ("open", None)


def test_a_side_alone_on_the_other_data_set_is_no_pair():
    better, other = pair(SECOND, 2)
    for alone in (better, other):
        assert "needs such runs" in verdict(pair(FIRST, 12), [alone]).why_open


def test_sides_of_other_settings_are_no_pair():
    few = [
        on(SECOND, [record.model_copy(update={"variant": "frames=81"}) for record in side]) for side in sides(2)
    ]
    assert "needs such runs" in verdict(pair(FIRST, 12), few).why_open


def test_several_pairs_are_not_chosen_among():
    found = verdict(pair(FIRST, 12), pair(SECOND, 2, content="annot3"), pair(SECOND, 3, content="univ_annot3"))
    assert found.why_open == "not tested: several pairs of runs on mpi_inf_3dhp fit"


def test_the_same_schedule_of_training_comes_first_and_another_one_will_do():
    trial = pair(SECOND, 9, schedule=1)
    assert verdict(pair(FIRST, 12), pair(SECOND, 2), trial).difference.difference == pytest.approx(-10, abs=0.5)
    assert verdict(pair(FIRST, 12), trial).difference.difference == pytest.approx(-3, abs=0.5)


def test_runs_of_an_earlier_version_are_replaced_by_later_ones():
    earlier, later = (pair(SECOND, gain, finished_at=day) for gain, day in ((9, "2026-01-01"), (2, "2026-02-02")))
    for there in ([*earlier, *later], [*later, *earlier]):
        found = verdict(pair(FIRST, 12), there)
        assert found.difference.difference == pytest.approx(-10, abs=0.5)
        assert len(found.runs[2].runs) == 3


def test_one_training_each_on_either_data_set_decides_nothing():
    one = [on(SECOND, side[:1]) for side in sides(2)]
    found = verdict(pair(FIRST, 12), one)
    assert (found.verdict, found.why_open) == ("open", ONE_TRAINING)
