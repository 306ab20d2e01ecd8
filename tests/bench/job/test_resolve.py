"""What a description becomes, and by which identities it is known."""

from dataclasses import dataclass, replace

import pytest

from bench.config.experiment import parse
from bench.config.registry import METHODS
from bench.job.resolve import resolve
from tests.bench.toy import Toy, ToyConfig


@dataclass(frozen=True)
class MachineConfig(ToyConfig):
    text: str = "auto"


class MachineToy(Toy):
    """Its configuration depends on what is installed, as FinePOSE's text encoder does."""

    Config = MachineConfig
    presets = {name: replace(preset, config=MachineConfig()) for name, preset in Toy.presets.items()}
    found = "clip"

    @classmethod
    def resolve_config(cls, config):
        return replace(config, text=cls.found) if config.text == "auto" else config


@pytest.fixture
def machine_toy(toy_suite, monkeypatch):
    monkeypatch.setitem(METHODS.own, "machine", "tests.bench.job.test_resolve:MachineToy")


def job(**changes):
    return resolve(parse({"method": {"name": "machine"}} | changes))


def identities(made):
    return made.id, made.training_id, made.sampling_id, made.cost_id


def test_a_portable_experiment_keeps_its_identities_on_another_machine(machine_toy, monkeypatch):
    here = job()
    assert here.config.text == "clip"
    assert here.portable.method.options == {"text": "clip"}
    assert identities(resolve(here.portable)) == identities(here)
    assert resolve(here.portable).experiment == here.experiment
    monkeypatch.setattr(MachineToy, "found", "minilm")
    assert identities(resolve(here.portable)) == identities(here)
    assert job().training_id != here.training_id


def test_an_evaluation_option_that_is_left_to_the_machine_is_settled_too(machine_toy, monkeypatch):
    here = job(method={"name": "machine", "options": {"text": "tiny"}}, evaluation={"options": {"text": "auto"}})
    assert (here.config.text, here.evaluated_config.text) == ("tiny", "clip")
    monkeypatch.setattr(MachineToy, "found", "minilm")
    assert identities(resolve(here.portable)) == identities(here)


def test_paths_of_a_portable_experiment_are_absolute(toy_suite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = job(method={"name": "toy"}, data={"root": "files"})
    assert made.portable.data.root == tmp_path / "files"
    assert made.requested.data.root != made.portable.data.root
