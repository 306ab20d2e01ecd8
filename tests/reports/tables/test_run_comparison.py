"""Two sets of runs side by side: what is paired, what is said to have changed, what is never compared."""

import numpy as np
import pytest

from bench.results.statistics.seeds import pool
from models.errors import InputError
from reports.rules.pairing import match, obstacles
from reports.tables.runs.run_comparison import changes, largest_p
from reports.writers.csv import to_csv
from reports.writers.markdown import to_markdown
from tests.reports.made_up import record

NAMES = ("before", "after")


def kept(method, mean, spread=0.0, noise=0, trainings=2, **changes):
    """A record whose values kept the errors of their takes, which vary by ``spread``; trainings by little."""
    made = record(method, mean=mean, **changes)
    jitter = np.random.default_rng(noise).normal(0, spread, len(made.data.takes)) if spread else np.zeros(12)
    rows = jitter + 0.001 * np.resize([-1, 1], trainings)[:, None] * (trainings > 1)
    values = tuple(
        value.model_copy(update={"per_take": tuple(map(tuple, (value.action_mean + rows).tolist()))})
        for value in made.values
    )
    seeds = tuple(range(changes.get("seed", 0), changes.get("seed", 0) + trainings))
    conditions = made.conditions.model_copy(update={"training_seeds": seeds})
    return made.model_copy(update={"values": values, "conditions": conditions})


def test_the_whole_text_of_a_comparison():
    before = [kept("tcn", 62, 2), kept("d3dp", 50, 1, hypotheses=5, steps=5), kept("mixste", 51)]
    after = [
        kept("tcn", 60, 2, options={"width": 64}, median=3.0),
        kept("d3dp", 50.0, 1, noise=5, hypotheses=5, steps=5, seed=1),
        kept("mixste", 51, flip=False),
        kept("finepose", 40),
    ]
    lines = to_markdown(changes(NAMES, before, after)).splitlines()
    assert lines[:-1] == [
        "### From before (A) to after (B)",
        "",
        "| Method | Aggregation | Quantity | A | B | B − A | More than noise |",
        "|:---|:---|:---|---:|---:|---:|:---|",
        "| *method.options.width: – → 64* |  |  |  |  |  |  |",
        "| TCN | single | MPJPE | 62.0 ± 0.6 | 60.0 ± 0.6 | −2.00 ± 0.01 | better |",
        "| TCN | single | P-MPJPE | 49.6 ± 0.6 | 48.0 ± 0.6 | −1.60 ± 0.01 | better |",
        "| TCN |  | ms/frame | 0.148 | 0.111 | −25.0 % | faster |",
        "| *training seeds: 0, 1 → 1, 2* |  |  |  |  |  |  |",
        "| D3DP (H = 5, K = 5) | P-Agg | MPJPE | 50.0 ± 0.3 | 50.0 ± 0.5 | (−0.07) ± 0.71 | no |",
        "| D3DP (H = 5, K = 5) | P-Agg | P-MPJPE | 40.0 ± 0.3 | 40.0 ± 0.5 | (−0.07) ± 0.71 | no |",
        "| D3DP (H = 5, K = 5) |  | ms/frame | 3.70 | 3.70 | +0.0 % | no |",
        "",
        "- ±: larger distance from the value to an end of its 95 % interval (over what: under Conditions)",
        "- 2 pairs of runs compared.",
        "- MPJPE: better in 1, no more than noise in 1.",
        "- P-MPJPE: better in 1, no more than noise in 1.",
        "- ms/frame: faster in 1, no more than noise in 1.",
        "- Not compared, because data or protocol differ (flip: yes → no): MixSTE.",
        "- Only in after: FinePOSE.",
        "- B − A of errors is paired by take or subject, with its 95 % interval; differences whose interval holds "
        "0 are in parentheses. ms/frame: more than noise if the middle 60 % of the repetitions of both runs do "
        "not overlap.",
        "- 4 differences were tested together: of those called better or worse, 5 % may be false alarms "
        "(Benjamini-Hochberg); “not among so many” would have counted if it were the only one.",
    ]
    assert lines[-1].startswith("- Conditions. Data: Made-up data")


def test_csv_has_the_ends_of_the_interval_and_both_runs():
    one, other = kept("tcn", 62, 2), kept("tcn", 61, 2, noise=3, options={"width": 64})
    header, first = to_csv(changes(NAMES, [one], [other])).splitlines()[:2]
    assert header.startswith(
        "section,group,Method,Aggregation,Quantity,A,A low,A high,B,B low,B high,B − A,B − A low"
    )
    assert first.endswith(f"{one.id} {other.id}")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"label": "Other data"}, "data: Made-up data → Other data"),
        ({"subset": "64 windows"}, "test part: all → 64 windows"),
        ({"test": "gt"}, "test detections: cpn → gt"),
        ({"train": "gt"}, "training detections: cpn → gt"),
        ({"flip": False}, "flip: yes → no"),
        ({"selection": "test"}, "selection: validation → test"),
        ({"label_given": True}, "action label: not given → given"),
        ({"metric_versions": {"mpjpe": 2}}, "another definition of mpjpe"),
    ],
)
def test_other_data_or_another_protocol_is_an_error_that_names_it(changed, reason):
    one = kept("tcn", 62, metric_versions={"mpjpe": 1})
    other = kept("tcn", 62, **({"metric_versions": {"mpjpe": 1}} | changed))
    assert reason in obstacles(one, other)
    with pytest.raises(InputError) as error:
        changes(NAMES, [one], [other])
    assert str(error.value).startswith("before and after have no runs that may be compared (TCN differs in ")
    assert reason in str(error.value)


def test_nothing_in_common():
    with pytest.raises(InputError) as error:
        changes(NAMES, [kept("tcn", 62)], [kept("d3dp", 50)])
    assert str(error.value) == ("before and after have no runs that may be compared (one has TCN, the other D3DP)")


def test_the_same_runs_are_not_a_change():
    made = [kept("tcn", 62), kept("d3dp", 50)]
    table = changes(NAMES, made, made)
    assert table.blocks == ()
    assert table.notes == ("2 runs are in both sets with the same numbers: nothing changed there.",)


def test_the_same_run_is_no_change_where_its_numbers_were_rounded_as_those_of_shipped_runs():
    made = kept("tcn", 62)
    value, losses = made.values[0], made.training.loss
    means = {name: getattr(value, name) * (1 + 3e-6) for name in ("action_mean", "frame_mean")}
    values = (value.model_copy(update=means), *made.values[1:])
    nearly, others = (
        made.training.model_copy(update={"loss": tuple(loss * (1 + by) for loss in losses)}) for by in (3e-6, 1e-4)
    )
    rounded = made.model_copy(update={"values": values, "training": nearly})
    assert rounded.values != made.values
    assert rounded.same_trainings(made)
    assert changes(NAMES, [rounded], [made]).blocks == ()
    assert not made.model_copy(update={"training": others}).same_trainings(made)


def test_the_same_settings_with_other_numbers_name_the_commits():
    one = kept("tcn", 62)
    other = kept("tcn", 61).model_copy(update={"id": one.id, "training_id": one.training_id, "git_commit": "fedc"})
    (block,) = changes(NAMES, [one], [other]).blocks
    assert block.heading == "Same settings, commit 0123456789ab → fedc"
    assert [row.cells[-1].text for row in block.rows] == ["better", "better", "no"]


def test_equal_settings_are_paired_before_nearer_numbers_of_others():
    grid = [(1, 1), (5, 1), (5, 5)]
    before = [kept("d3dp", 50, hypotheses=h, steps=k) for h, k in grid]
    after = [kept("d3dp", 49, hypotheses=h, steps=k, options={"width": 64}) for h, k in reversed(grid)]
    found = match(before, after).pairs
    assert [(pair.before.conditions.hypotheses, pair.before.conditions.steps) for pair in found] == grid
    assert {pair.changed for pair in found} == {("method.options.width: – → 64",)}


def test_several_that_come_as_close_are_not_chosen_from():
    before = [kept("tcn", 62), kept("mixste", 51)]
    after = [kept("tcn", 61, options={"width": width}) for width in (32, 64)] + [
        kept("mixste", 50, options={"a": 1})
    ]
    table = changes(NAMES, before, after)
    assert "Not compared, because several runs of after come as close: TCN." in table.notes
    assert {row.cells[0].text for row in table.rows()} == {"MixSTE"}


def test_seeds_are_pooled_and_trainings_resampled():
    before = [kept("tcn", 62, 1, noise=seed, seed=seed, trainings=1) for seed in range(3)]
    after = [
        kept("tcn", 61, 1, noise=9 + seed, seed=seed, trainings=1, options={"width": 64}) for seed in range(3)
    ]
    table = changes(NAMES, before, after)
    assert table.notes[0] == "1 pair of runs compared."
    assert not any("--seeds" in note for note in table.notes)
    assert len(next(iter(table.rows())).runs) == 6


def test_one_training_each_is_not_tested():
    one, other = kept("tcn", 62, 1, trainings=1), kept("tcn", 50, 1, trainings=1, options={"width": 64})
    table = changes(NAMES, [one], [other])
    cells = next(row.cells for row in table.rows())
    assert cells[-2].reason.startswith("not compared: one training each")
    assert cells[-1].text == "–"
    assert any("--seeds 0,1,2" in note for note in table.notes)


def test_times_of_other_devices_and_takes_that_were_not_kept_are_not_tested():
    one, other = record("tcn", mean=62), record("tcn", mean=60, device="NVIDIA H100", options={"width": 64})
    rows = {row.cells[2].text: row.cells for row in changes(NAMES, [one], [other]).rows()}
    assert rows["MPJPE"][-2].reason == "the two numbers were not obtained on the same takes"
    assert rows["ms/frame"][-2].reason.startswith("times of different devices are not compared: cpu")
    assert {cells[-1].text for cells in rows.values()} == {"–"}


def test_parameters_are_listed_where_they_changed():
    one = kept("tcn", 62)
    cost = one.cost.model_copy(update={"parameters": 2_469_134})
    other = kept("tcn", 61, options={"width": 64}).model_copy(update={"cost": cost})
    cells = list(changes(NAMES, [one], [other]).rows())[-1].cells
    assert [cell.text for cell in cells] == ["TCN", "", "parameters (M)", "1.23", "2.47", "+100.0 %", "more"]


def test_what_counts_among_many():
    assert largest_p([0.04]) == 0.04, "alone"
    assert largest_p([0.04] + [0.5] * 9) == -1, "one of ten"
    assert largest_p([0.001, 0.009, 0.014, 0.9]) == 0.014
    assert largest_p([]) == -1


def test_chance_alone_seldom_counts_as_a_change():
    pairs = [
        (kept("tcn", 60, 2, noise=n, options={"n": n}), kept("tcn", 60, 2, noise=n + 99, options={"n": n}, seed=1))
        for n in range(20)
    ]
    before, after = (list(side) for side in zip(*pairs, strict=True))
    assert len(pool(before)) == 20
    table = changes(NAMES, before, after)
    verdicts = [row.cells[-1].text for row in table.rows() if row.cells[2].text == "MPJPE"]
    assert len(verdicts) == 20
    assert sum(verdict in ("better", "worse") for verdict in verdicts) <= 1
