"""The code of docs/adding-a-method.md is a method that the whole harness runs."""

import re
import sys
import types

import pytest

from bench.config.experiment import parse
from bench.config.registry import METHODS
from bench.job import pipeline
from bench.job.resolve import resolve
from bench.results.store import Store
from bench.sweep.run import run
from tests import ROOT

TUTORIAL = ROOT / "docs" / "adding-a-method.md"


@pytest.fixture
def mine(monkeypatch, toy_suite):
    code = re.search(r"```python\n(.*?)```", TUTORIAL.read_text(), re.DOTALL).group(1)
    module = types.ModuleType("my_lifter")
    monkeypatch.setitem(sys.modules, "my_lifter", module)
    exec(compile(code, "my_lifter.py", "exec"), module.__dict__)
    monkeypatch.setitem(METHODS.own, "mine", "my_lifter:MyLifter")
    monkeypatch.setattr(pipeline, "LATENCY_INPUTS", 1)


def test_the_tutorial_method_is_trained_evaluated_and_recorded(mine, tmp_path):
    description = {"method": {"name": "mine"}, "training": {"epochs": 2}, "evaluation": {"windows": 4}}
    job = resolve(parse(description))
    record = run([job], Store(tmp_path / "store"), "cpu").records[job.id]
    assert record.title == "My lifter"
    assert record.training.loss[1] < record.training.loss[0]
    assert record.value("mpjpe", None).action_mean > 0
