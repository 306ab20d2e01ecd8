"""Records of several seeds, and differences of two records."""

import pytest
from pydantic import ValidationError

from bench.protocol.metrics import all_metrics
from bench.results.cost import Cost, DeviceState, Latency, Setup
from bench.results.metrics import MetricInfo
from bench.results.record import Record
from bench.results.statistics.seeds import pool
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
    assert (alone.id, alone.values[0].per_take) == (other.id, other.values[0].per_take)
    assert pooled.runs == (first.id, second.id)
    assert pooled.conditions.training_seeds == (0, 1)
    value, (low, high) = pooled.values[0], (first.values[0], second.values[0])
    assert value.action_mean == pytest.approx((low.action_mean + high.action_mean) / 2)
    assert value.low < value.action_mean < value.high
    assert len(value.per_take) == 2
    assert [len(found) for found in map(pool, ([first], [first, first]))] == [1, 1]
    assert pool([first, first])[0].pooled == ()


def test_each_training_counts_once_however_many_seeds_of_its_noise_there_are():
    """The value and its interval are of the same average."""
    means = {(0, 0): 50.0, (0, 1): 52.0, (1, 0): 60.0}  # by seeds of training and noise
    runs = []
    for (seed, noise), mean in means.items():
        made = with_takes([mean + take for take in range(TAKES)], seed=seed)
        conditions = made.conditions.model_copy(update={"noise_seeds": (noise,)})
        runs.append(made.model_copy(update={"training_id": f"training {seed}", "conditions": conditions}))
    (pooled,) = pool(runs)
    (value,) = pooled.values
    assert value.action_mean == pytest.approx((51.0 + 60.0) / 2 + (TAKES - 1) / 2)
    assert value.action_mean == pytest.approx((value.low + value.high) / 2)


def test_a_difference_is_paired_by_take():
    hard = [40.0 + 7 * take for take in range(TAKES)]
    (first,) = pool(with_takes(hard, seed=seed) for seed in (0, 1))
    (other,) = pool(with_takes([error - 2 for error in hard], method="tcn", seed=seed) for seed in (0, 1))
    gap = first.difference(first.values[0], other, other.values[0])
    assert gap.difference == pytest.approx(2)
    assert (gap.low, gap.high) == pytest.approx((2, 2))
    assert not gap.indistinguishable


def test_one_training_each_has_no_interval_of_the_difference():
    first, other = with_takes([50.0 + take for take in range(TAKES)]), with_takes([40.0] * TAKES, method="tcn")
    gap = first.difference(first.values[0], other, other.values[0])
    assert gap.unknown.startswith("one training each")
    assert gap.indistinguishable
    within = first.difference(first.values[0], first, first.values[0])
    assert (within.difference, within.p_value, within.unknown) == (0, 1, "")
    cost = other.cost.model_copy(update={"parameters": 0})
    against = first.difference(first.values[0], other.model_copy(update={"cost": cost}), other.values[0])
    assert not against.indistinguishable, "what needs no training has no luck of a seed"


def test_runs_of_other_noise_are_of_one_training():
    made = with_takes([50.0 + take for take in range(TAKES)])
    noisy = [
        made.model_copy(
            update={
                "id": f"{seed}" * 16,
                "conditions": made.conditions.model_copy(update={"noise_seeds": (seed,)}),
                "experiment": made.experiment | {"evaluation": made.experiment["evaluation"] | {"seed": seed}},
            }
        )
        for seed in (0, 1)
    ]
    (pooled,) = pool(noisy)
    assert (len(pooled.runs), len(pooled.values[0].per_take), pooled.conditions.training_seeds) == (2, 1, (0,))


def test_subjects_are_drawn_where_there_are_enough():
    few = with_takes([50.0] * TAKES)
    assert few.drawn_subjects == ()
    takes = [take.model_copy(update={"name": f"S{n % 6}/{take.name}"}) for n, take in enumerate(few.data.takes)]
    many = with_takes([50.0] * TAKES, data=few.data.model_copy(update={"takes": tuple(takes)}))
    assert many.drawn_subjects == many.sample(many.values[0]).subjects == tuple(f"S{n % 6}" for n in range(TAKES))


def test_other_takes_have_no_paired_difference():
    first = with_takes([50.0] * TAKES)
    fewer = first.data.model_copy(update={"takes": first.data.takes[1:]})
    other = with_takes([50.0] * (TAKES - 1), method="tcn", data=fewer)
    assert first.difference(first.values[0], other, other.values[0]) is None
    unkept = record("tcn")
    assert first.difference(first.values[0], unkept, unkept.values[0]) is None


@pytest.mark.parametrize("changes", [{"device": "NVIDIA H200"}, {"threads": 1}])
def test_seeds_of_other_devices_or_numbers_of_threads_are_pooled_and_named(changes):
    first, other = record("mixste"), record("mixste", seed=1)
    moved = other.model_copy(update={"environment": other.environment.model_copy(update=changes)})
    assert [len(pool([first, run])[0].pooled_on) for run in (other, moved)] == [1, 2]
    assert pool([moved, first])[0].environment == first.environment, "costs are of the lowest seed"


def test_records_of_before_are_read_with_what_they_do_not_know_as_none():
    made = record("d3dp", hypotheses=2, steps=2)
    setup = Setup(hypotheses=2, steps=2, flip=True, precision="fp32", tf32="nothing", compiled=False, threads=2)
    known = {"setup": setup, "peak_gflops": 100.0, "energy_j": 3.0, "device_state": DeviceState(power_w=300)}
    cost = made.cost.model_copy(update=known)
    new = made.model_copy(update={"cost": cost})
    assert Record.model_validate_json(new.model_dump_json()) == new
    old = new.model_dump(mode="json")
    for model, part in ((Cost, old["cost"]), (Latency, old["cost"]["latency"])):
        for name, field in model.model_fields.items():
            if not field.is_required() and name not in ("latency", "aggregation_ms"):
                part.pop(name, None)
    read = Record.model_validate(old)
    assert (read.cost.setup, read.cost.percent_of_peak, read.cost.latency.host_ms) == (None, None, None)
    assert new.cost.percent_of_peak == pytest.approx(
        100 * cost.flops_per_window / (cost.latency.median_ms / 1e3) / 100e9
    )


def test_of_runs_with_the_same_seeds_the_last_one_counts():
    """An earlier one is of an earlier version of a method."""
    old, new = (
        record("tcn", mean=mean, training_id=digit * 16, finished_at=f"2026-01-0{digit}T00:00:00+00:00")
        for mean, digit in ((54.0, "1"), (50.0, "2"))
    )
    for runs in ([old, new], [new, old]):
        (pooled,) = pool(runs)
        assert (pooled.id, pooled.values) == (new.id, pool([new])[0].values)


def test_numbers_of_two_versions_of_a_metric_are_not_averaged():
    first, second = (
        record("tcn", seed=seed, metrics={"mpjpe": MetricInfo(title="MPJPE", unit="mm", version=version)})
        for seed, version in ((0, 1), (1, 2))
    )
    assert len(pool([first, second])) == 2


def test_a_record_describes_its_metrics():
    described = {"worst": MetricInfo(title="Worst joint", unit="mm", version=3)}
    made = Record.model_validate_json(record("d3dp", metrics=described).model_dump_json())
    assert made.metric("worst") == described["worst"]
    assert made.metric_versions == {"worst": 3}
    assert made.metric("unheard of") == MetricInfo(title="unheard of", unit="")


def test_older_records_know_the_versions_of_their_metrics_and_are_told_the_rest():
    old = record("d3dp").model_dump(mode="json")
    del old["metrics"]
    read = Record.model_validate(old | {"metric_versions": {"mpjve": 2, "pck": 1}})
    assert read.metric_versions == {"mpjve": 2, "pck": 1}
    assert read.metric("mpjve") == MetricInfo(title="MPJVE", unit="mm/frame", version=2)
    assert read.metric("pck").higher_is_better
    assert Record.model_validate_json(read.model_dump_json()) == read
    unsaid = Record.model_validate(old)
    assert (unsaid.metric_versions, unsaid.metric("auc").unit) == ({}, "%")


def test_descriptions_of_older_records_are_those_of_the_metrics():
    for metric in all_metrics():
        assert metric.info.model_copy(update={"version": None}) == record("tcn").metric(metric.name)


def test_conditions_state_every_choice_of_the_protocol():
    stated = record("d3dp", flip=False).conditions.stated
    assert stated == {
        "Flip augmentation at test time": "no",
        "Action label given at test time": "no",
        "Frames of the last windows": "each frame once",
        "P-Best chosen for each": "window",
        "Checkpoint selection": "validation",
    }
    other = record("d3dp").conditions.model_copy(update={"choices": {"Centred on": "the thorax"}})
    assert other.words("Centred on") == "the thorax"
    assert list(other.stated) == [*stated, "Centred on"]
    assert record("d3dp").conditions.words("Centred on") == ""


@pytest.mark.parametrize("changes", [{"metric_versions": []}, {"metric_versions": {"pck": "x"}}, {"metrics": 1}])
def test_an_older_record_of_another_form_is_refused(changes):
    older = record("tcn").model_dump(mode="json") | {"metrics": {}, "metric_versions": {}}
    with pytest.raises(ValidationError):
        Record.model_validate(older | changes)
