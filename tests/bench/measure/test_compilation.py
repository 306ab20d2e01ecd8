"""Predictions through ``torch.compile``: recorded, named in tables, of the same numbers."""

import pytest
import torch
from torch import nn

from bench.config.experiment import parse
from bench.job import pipeline
from bench.job.resolve import resolve
from bench.measure.compilation import compiler, is_compiled
from bench.results.store import Store
from bench.sweep.run import run
from tests.bench.toy import Toy


def job(**evaluation):
    described = {"hypotheses": 2, "steps": 1, "windows": 3} | evaluation
    return resolve(parse({"method": {"name": "toy"}, "training": {"epochs": 1}, "evaluation": described}))


def test_it_is_described_only_where_it_is_asked_for(toy_suite):
    usual, compiled = job(), job(compile=True)
    assert usual.id == job(compile=False).id != compiled.id
    assert "compile" not in usual.experiment.to_yaml()
    assert usual.training_id == compiled.training_id
    assert usual.sampling_id != compiled.sampling_id
    assert usual.cost_id != compiled.cost_id
    assert compiled.variant == "compiled"


@pytest.mark.parametrize(
    ("compiler", "part", "reason"),
    [
        ("no-such-compiler", "lift", "needs a C++ compiler, and there is none: install one"),
        ("sh", "", "Toy names no part to compile: set its compiled_part"),
    ],
)
def test_what_cannot_be_compiled_fails_alone(toy_suite, tmp_path, monkeypatch, compiler, part, reason):
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setattr(Toy, "compiled_part", part)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    usual, compiled = jobs = job(), job(compile=True)
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


def test_what_a_method_compiles_by_itself_is_told():
    """Fails where a new torch renames what ``is_compiled`` looks at; nothing is compiled before the first call."""
    plain, called, wrapped = (nn.Sequential(nn.Linear(2, 2)) for _ in range(3))
    called[0].compile()
    wrapped[0] = torch.compile(wrapped[0])
    assert [is_compiled(module) for module in (plain, called, wrapped)] == [False, True, True]
