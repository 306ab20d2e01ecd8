"""Predictions through ``torch.compile``: recorded, named in tables, of the same numbers."""

import shutil

import pytest

from bench import pipeline
from bench.experiment import parse
from bench.plan import resolve
from bench.store import Store
from bench.sweep import run
from models.errors import InputError
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
    assert usual.price_id != compiled.price_id
    assert compiled.variant == "compiled"


def test_what_is_missing_is_said_before_anything_is_trained(toy_suite, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "which", lambda program: None)
        with pytest.raises(InputError, match="C\\+\\+ compiler, and there is no no-such-compiler: install one"):
            job(compile=True)
    monkeypatch.setattr(Toy, "compiled_part", "")
    with pytest.raises(InputError, match="Toy names no part to compile: set its compiled_part"):
        job(compile=True)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_predictions_are_evaluated_and_priced(toy_suite, tmp_path, monkeypatch):
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
