"""Trainings and predictions through ``torch.compile``: recorded, named in tables, of the same numbers."""

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from bench.config.experiment import parse
from bench.job import pipeline
from bench.job.resolve import resolve
from bench.measure.compilation import compiler, is_compiled
from bench.results.store import Store
from bench.sweep.run import run
from tests.bench.toy import Toy


def job(training=None, **evaluation):
    described = {"hypotheses": 2, "steps": 1, "windows": 3} | evaluation
    trained = {"epochs": 1} | (training or {})
    return resolve(parse({"method": {"name": "toy"}, "training": trained, "evaluation": described}))


COMPILED = {"compile": True}


def test_it_is_described_only_where_it_is_asked_for(toy_suite):
    usual, compiled = job(), job(compile=True)
    assert usual.id == job(compile=False).id != compiled.id
    assert "compile" not in usual.experiment.to_yaml()
    assert usual.training_id == compiled.training_id
    assert usual.sampling_id != compiled.sampling_id
    assert usual.cost_id != compiled.cost_id
    assert compiled.variant == "compiled"


def test_a_compiled_training_is_one_of_its_own(toy_suite):
    usual, compiled = job(), job(COMPILED)
    assert usual.training_id == job({"compile": False}).training_id != compiled.training_id
    assert "compile" not in usual.experiment.to_yaml()
    assert compiled.variant == "compiled in training"


@pytest.mark.parametrize(
    ("compiler", "part", "trains", "reason"),
    [
        ("no-such-compiler", "lift", True, "needs a C++ compiler, and there is none: install one"),
        ("sh", "", True, "Toy names no part to compile: set its compiled_part"),
        ("sh", "lift", False, "a training step of Toy does not go through its compiled_part, or changes it"),
    ],
)
@pytest.mark.parametrize("where", ["evaluation", "training"])
def test_what_cannot_be_compiled_fails_alone(
    toy_suite, tmp_path, monkeypatch, compiler, part, trains, reason, where
):
    if where == "evaluation" and not trains:
        return
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setattr(Toy, "compiled_part", part)
    monkeypatch.setattr(Toy, "trains_compiled_part", trains)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    usual, compiled = jobs = job(), (job(compile=True) if where == "evaluation" else job(COMPILED))
    outcome = run(jobs, Store(tmp_path), "cpu")
    assert set(outcome.records) == {usual.id}
    assert reason in outcome.failures[compiled.id].reason


@pytest.mark.skipif(compiler() is None, reason="torch.compile needs a C++ compiler")
def test_compiled_predictions_are_evaluated_and_measured(toy_suite, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(pipeline, "LATENCY_INPUTS", 1)
    jobs = [job(), job(compile=True)]
    outcome = run(jobs, Store(tmp_path), "cpu")
    assert not outcome.failures
    usual, compiled = (outcome.records[one.id] for one in jobs)
    assert (usual.cost.setup.compiled, compiled.cost.setup.compiled) == (False, True)
    assert compiled.cost.flops_per_window == usual.cost.flops_per_window > 0
    for one, other in zip(usual.values, compiled.values, strict=True):
        assert one.action_mean == pytest.approx(other.action_mean, abs=1e-3)


@pytest.mark.skipif(compiler() is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_training_gives_the_same_weights_but_for_rounding(toy_suite, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(pipeline, "LATENCY_INPUTS", 1)
    counters.clear()
    jobs = [job(), job(COMPILED)]
    outcome = run(jobs, Store(tmp_path), "cpu")
    assert not outcome.failures
    assert counters["stats"]["unique_graphs"] in (1, 2)  # of the full batch and of a smaller one
    usual, compiled = (outcome.records[one.id] for one in jobs)
    assert not compiled.cost.setup.compiled
    assert compiled.training.loss == pytest.approx(usual.training.loss, rel=1e-5)
    assert compiled.training.validation_mpjpe[-1][1] == pytest.approx(
        usual.training.validation_mpjpe[-1][1], abs=1e-2
    )
    for one, other in zip(usual.values, compiled.values, strict=True):
        assert one.action_mean == pytest.approx(other.action_mean, abs=1e-2)


def test_what_a_method_compiles_by_itself_is_told():
    """Fails where a new torch renames what ``is_compiled`` looks at; nothing is compiled before the first call."""
    plain, called, wrapped = (nn.Sequential(nn.Linear(2, 2)) for _ in range(3))
    called[0].compile()
    wrapped[0] = torch.compile(wrapped[0])
    assert [is_compiled(module) for module in (plain, called, wrapped)] == [False, True, True]
