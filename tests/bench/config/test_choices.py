import pytest

from bench.config import choices
from bench.config.choices import CHOICES, Choice, conditions_of
from bench.config.experiment import Experiment, parse
from bench.results.record import Conditions


def test_defaults_are_those_of_an_experiment_and_depart_from_nothing():
    usual = Experiment().described()
    for choice in CHOICES:
        assert choice.value(usual) == choice.default
        assert choice.value({}) == choice.default
        assert not choice.departs(usual)


def test_words_and_departures():
    evaluation = {"flip": False, "tail": "overlap", "call": 8, "actions": "empty"}
    training = {"selection": "test", "recipe": "published", "labels": "permuted"}
    asked = parse({"training": training, "evaluation": evaluation}).described()
    assert all(choice.departs(asked) for choice in CHOICES)
    assert conditions_of(asked) == {
        "flip": False,
        "tail": "overlap of the last two windows counted twice",
        "best_over": "calls of 8 windows",
        "choices": {
            "Action labels in training": "permuted among the training takes",
            "Training recipe": "published",
        },
    }
    assert conditions_of({})["tail"] == "each frame once"
    assert conditions_of({})["choices"] == {}


def test_every_field_of_a_choice_is_one_of_conditions():
    assert {choice.field for choice in CHOICES if choice.field} <= Conditions.model_fields.keys()


def test_a_new_choice_is_kept_by_its_heading(monkeypatch: pytest.MonkeyPatch):
    new = Choice("evaluation.centre", "hip", str.title, "Centred on")
    monkeypatch.setattr(choices, "CHOICES", (*CHOICES, new))
    assert conditions_of({"evaluation": {"centre": "thorax"}})["choices"] == {"Centred on": "Thorax"}
    assert conditions_of({})["choices"] == {"Centred on": "Hip"}
