"""A metric and an aggregation of a package outside the repository, with nothing here changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.config.experiment import parse
from bench.config.registry import AGGREGATIONS, METRICS
from bench.data.windows import Windows
from bench.job.resolve import resolve
from bench.protocol.aggregation import deployable_poses
from bench.protocol.evaluate import EvalSetting, evaluate
from bench.protocol.metrics import Metric, joint_errors
from bench.protocol.plugins import kept_aggregations, plugin_identity
from bench.protocol.summary import metric_infos, summarise
from bench.results.record import Value
from bench.results.store import Store
from bench.sweep.executors.local import Local
from bench.sweep.run import run
from models.errors import InputError
from models.inference import root_at_origin
from models.lifter import Batch, Lifter, Sampling
from tests.bench.experiments import job
from tests.bench.toy import dataset

MODULE = """
from bench.protocol.aggregation import Aggregation
from bench.protocol.metrics import Metric, joint_errors
from bench.results.record import GroundTruth


def worst(pred, target, skeleton):
    return joint_errors(pred, target).amax(-1)


def jerk(pred, target, skeleton):
    return joint_errors(pred.diff(n=3, dim=0), target.diff(n=3, dim=0)).mean(-1)


def flat(pred, target):
    return 1000 * (pred - target)[..., :2].norm(dim=-1)


WORST = Metric("worst", "Worst joint", "mm", "frame", worst, version=3)
JERK = Metric("jerk", "Jerk error", "mm/frame³", "sequence", jerk, frames_before=3)
WITHIN = Metric("within", "Within 1 m", "%", "score", lambda errors: (errors < 1000).double() * 100, True)
FLAT = Metric("flat", "Error in the image plane", "mm", "joint", flat)
FIRST = Aggregation("First", GroundTruth(), "the first hypothesis", pose=lambda pred, truth: pred[:, :, 0])
WORST_CASE = Aggregation(
    "J-Worst", GroundTruth(pose=True), "the worst joints", pick=lambda one, metric: one.errors[metric].argmax(2)
)
"""
METRIC_POINTS = {"worst": "WORST", "jerk": "JERK", "within": "WITHIN", "flat": "FLAT"}
AGGREGATION_POINTS = {"First": "FIRST", "J-Worst": "WORST_CASE"}


def install(site: Path, monkeypatch: pytest.MonkeyPatch, metrics: dict[str, str], others: dict[str, str]) -> None:
    """A package as pip would install it: a module, and entry points in its metadata."""
    metadata = site / "my_numbers-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "my_numbers.py").write_text(MODULE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-numbers\nVersion: 1.0\n")
    lines = []
    for group, points in ((METRICS.group, metrics), (AGGREGATIONS.group, others)):
        lines += [f"[{group}]", *(f"{name}=my_numbers:{attribute}" for name, attribute in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(site)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", monkeypatch, METRIC_POINTS, AGGREGATION_POINTS)


class Noise(Lifter):
    """Random hypotheses, the same for every window."""

    title = "Noise"
    Config = object
    frames = train_frames = 9
    probabilistic = True

    def training_loss(self, batch: Batch) -> Tensor:
        return torch.zeros(())

    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        shape = (1, sampling.steps, sampling.hypotheses, 9, 17, 3)
        poses = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        return root_at_origin(poses, self.skeleton).expand(len(batch.window_keys), *shape[1:])


def evaluated() -> tuple[Value, ...]:
    data = dataset("toy", None, "gt")
    windows = Windows(data.test, data.skeleton, Noise.frames, mode="eval")
    rows = np.arange(len(windows))
    (errors,) = evaluate(Noise(None), windows, rows, Sampling(flip=False), [EvalSetting(4, 2)], "cpu").values()
    return summarise(errors)


def test_they_are_computed_for_every_evaluation(installed: None) -> None:
    values = evaluated()
    known = {(value.metric, value.aggregation): value for value in values if value.step == 2}
    answer = known["worst", "P-Agg"]
    assert answer.action_mean > known["mpjpe", "P-Agg"].action_mean
    assert answer.low < answer.action_mean < answer.high
    assert known["flat", "J-Best"].action_mean < known["mpjpe", "J-Best"].action_mean
    assert known["jerk", "P-Agg"].action_mean > known["acceleration", "P-Agg"].action_mean
    orders = [known["mpjpe", name].frame_mean for name in ("J-Best", "P-Best", "First", "J-Worst")]
    assert orders == sorted(orders)
    assert known["mpjpe", "First"].kind == "deployable"
    assert (known["mpjpe", "J-Worst"].kind, known["mpjpe", "J-Worst"].symbol) == ("oracle", "†")
    assert 0 <= known["within", "J-Worst"].frame_mean < known["within", "J-Best"].frame_mean <= 100
    infos = metric_infos(values)
    assert (infos["worst"].title, infos["worst"].unit, infos["worst"].version) == ("Worst joint", "mm", 3)
    assert infos["within"].higher_is_better
    assert list(dict.fromkeys(value.aggregation for value in values)) == [*AGGREGATIONS.usual, "First", "J-Worst"]


def test_records_hold_and_describe_them(
    installed: None, toy_suite: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store, wanted = Store(tmp_path / "store"), job(evaluation={"aggregations": list(AGGREGATIONS.usual)})
    outcome = run([wanted], store, "cpu", Local(store.root, threads=1))
    record = Store(store.root).records()[wanted.id]
    assert not outcome.failures
    assert record.metrics.keys() == {value.metric for value in record.values} == set(METRICS.names())
    assert record.metric("jerk").unit == "mm/frame³"
    for metric in ("mpjpe", "flat", "within"):
        value = record.value(metric, "First")
        assert value is not None
        assert value.kind == "deployable"
    assert record.cost.aggregation_ms.keys() == {"P-Agg", "P-Median", "J-Fit", "First"}
    frames = store.files.frame_errors(record, "mpjpe", "J-Worst")
    assert frames is not None
    assert len(frames) == record.data.frames


def test_identities_tell_evaluations_with_them_from_those_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_suite: object
) -> None:
    asked = parse({"method": {"name": "toy"}, "data": {"name": "toy", "detections": "gt"}})
    before = resolve(asked)
    cost_before = before.cost_id
    assert plugin_identity(AGGREGATIONS.usual) == {}
    install(tmp_path / "one", monkeypatch, METRIC_POINTS, {})
    assert plugin_identity(()) == {
        "plug-ins": {"metrics": {"flat": 1, "jerk": 1, "within": 1, "worst": 3}, "aggregations": {}}
    }
    with_metrics = resolve(asked)
    assert with_metrics.id != before.id
    assert (with_metrics.training_id, with_metrics.cost_id) == (before.training_id, cost_before)
    install(tmp_path / "two", monkeypatch, {}, AGGREGATION_POINTS)
    with_both = resolve(asked)
    assert len({before.id, with_metrics.id, with_both.id}) == 3
    assert with_both.training_id == before.training_id
    assert with_both.cost_id != cost_before
    assert list(deployable_poses()) == ["P-Agg", "P-Median", "J-Fit", "First"]


def test_aggregations_are_kept_where_all_are_or_where_they_are_named(installed: None) -> None:
    assert kept_aggregations(AGGREGATIONS.usual) == (*AGGREGATIONS.usual, "First", "J-Worst")
    assert kept_aggregations(("P-Agg",)) == ("P-Agg",)
    named = parse({"evaluation": {"aggregations": ["P-Agg", "First"]}}).evaluation.aggregations
    assert kept_aggregations(named) == ("P-Agg", "First")
    assert plugin_identity(named)["plug-ins"]["aggregations"] == {"First": 1}


def test_an_unknown_aggregation_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"no aggregation has this name: did you mean 'P-Best'\?"):
        parse({"evaluation": {"aggregations": ["P-Bst"]}})


def test_one_that_does_not_import_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", monkeypatch, {"worst": "WORST", "gone": "GONE"}, {})
    with pytest.warns(UserWarning, match="metric 'gone' of my-numbers .* cannot be imported"):
        values = evaluated()
    assert "worst" in {value.metric for value in values}


@pytest.mark.parametrize("wrong", [{"higher_is_better": True}, {"joints": lambda skeleton: [0, 1]}])
def test_a_metric_that_the_best_hypothesis_cannot_be_chosen_by_is_refused(wrong):
    with pytest.raises(InputError, match="metric 'hits': P-Best and J-Best take the smallest error"):
        Metric("hits", "Hits", "%", "joint", joint_errors, **wrong)
