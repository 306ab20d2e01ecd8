import subprocess
import sys

import pytest
import yaml

from ablations.declared import read
from bench.config.experiment import Experiment, identity, parse, with_changes
from models.errors import InputError
from tests import ROOT


def test_yaml_round_trip():
    experiment = parse({"method": {"name": "d3dp", "options": {"frames": 9}}, "evaluation": {"windows": "all"}})
    assert parse(yaml.safe_load(experiment.to_yaml())) == experiment
    assert experiment.evaluation.windows is None


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({"method": {"nam": "x"}}, ["'method.nam'", "did you mean 'name'"]),
        ({"metod": {}}, ["'metod'", "did you mean 'method'"]),
        ({"zzz": 1}, ["'zzz'", "allowed: data, evaluation, measurement, method, training"]),
        ({"training": {"epochs": -1}}, ["'training.epochs' is -1", "greater than or equal to 0"]),
        ({"evaluation": {"hypotheses": "many"}}, ["'evaluation.hypotheses' is 'many'", "integer"]),
        ({"method": {"preset": "huge"}}, ["'method.preset' is 'huge'", "'tiny', 'base' or 'paper'"]),
        ({"training": {"precision": "fp8"}}, ["'training.precision' is 'fp8'"]),
        ({"training": 3}, ["training", "must be a mapping of the keys epochs"]),
        ([], ["must be a mapping of the keys method"]),
    ],
)
def test_wrong_descriptions_are_answered_with_path_finding_and_way_out(description, words):
    with pytest.raises(InputError) as caught:
        parse(description, "my.yaml")
    message = str(caught.value)
    assert message.startswith("my.yaml: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_identity_ignores_order_and_sees_content():
    assert identity({"a": 1, "b": [1, 2]}) == identity({"b": [1, 2], "a": 1})
    assert identity({"a": 1}) != identity({"a": 2})
    with pytest.raises(ValueError, match="Out of range"):
        identity({"a": float("nan")})


OLD = {"foreign_detections": True, "tail": "overlap", "call": 3}
NEW = {"allow_other_detections": True, "count_overlap": True, "p_best_calls": 3}


def test_first_names_of_keys_are_still_read():
    assert parse({"evaluation": OLD}) == parse({"evaluation": NEW})
    assert parse({"evaluation": {"tail": "dedup"}}) == parse({})


def test_first_names_are_noted_once_on_stderr():
    code = "from bench.config.experiment import parse\nfor _ in range(2): parse({'evaluation': {'call': 3}})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    note = "note: evaluation.call is now called evaluation.p_best_calls; the old name is still read\n"
    assert (ended.stdout, ended.stderr) == ("", note)


def test_records_keep_the_first_names_and_are_read_without_a_note(capsys):
    experiment = parse({"evaluation": NEW})
    stored = experiment.described()
    assert stored["evaluation"].keys() >= OLD.keys()
    assert stored["evaluation"].keys().isdisjoint(NEW)
    assert {key: stored["evaluation"][key] for key in OLD} == OLD
    assert parse({}).described()["evaluation"]["tail"] == "dedup"
    assert Experiment.from_record(stored) == experiment
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("evaluation", "words"),
    [
        ({"tail": "twice"}, "'evaluation.tail' is 'twice', but must be 'dedup' or 'overlap'"),
        (
            {"tail": "overlap", "count_overlap": False},
            "evaluation.tail is the former name of",
        ),
    ],
)
def test_wrong_use_of_a_first_name_is_one_sentence(evaluation, words):
    with pytest.raises(InputError) as caught:
        parse({"evaluation": evaluation}, "my.yaml")
    assert str(caught.value).startswith("my.yaml: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("description", "change"),
    [
        ({}, ("evaluation.tail", "overlap")),
        ({"evaluation": {"tail": "dedup"}}, ("evaluation.count_overlap", True)),
        ({"evaluation": {"count_overlap": False}}, ("evaluation.tail", "overlap")),
    ],
)
def test_a_change_wins_under_either_name(description, change):
    assert parse(with_changes(description, [change])).evaluation.count_overlap is True


def test_a_change_under_an_old_name_reaches_a_declared_ablation():
    experiments = read("audit=complete").expand([("evaluation.tail", "overlap")])
    assert {experiment.evaluation.count_overlap for experiment in experiments} == {True}
