import subprocess
import sys

import pytest
import yaml

from ablations.declared import read
from bench.config.experiment import Experiment, identity, parse, with_changes
from models.errors import InputError
from tests import ROOT
from tests.hostile import check_sentence


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
        ({"evaluation": {"hypotheses": "many"}}, ["'evaluation.hypotheses' is 'many'", "a whole number"]),
        ({"method": {"preset": "huge"}}, ["'method.preset' is 'huge'", "'tiny', 'small', 'base' or 'paper'"]),
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


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({"training": {"clip": float("inf")}}, "'training.clip' is inf, but must be a finite number"),
        ({"training": {"decay": "nan"}}, "'training.decay' is 'nan', but must be a finite number"),
        ({"method": {"options": {"x": float("nan")}}}, "'method.options.x' is nan, but must be a finite number"),
        (
            {"method": {"options": {"x": ["a"]}}},
            "'method.options.x' is ['a'], but must be a finite number",
        ),
        ({"data": {"root": "a\0b"}}, "'data.root' is 'a\\x00b', but must have no control characters"),
        ({"training": {"weights": "a\nb"}}, "'training.weights' is 'a\\nb', but must have no control characters"),
        ({"data": {"detections": "\x1b[31m"}}, "'data.detections' is '\\x1b[31m', but must have no control"),
        ({"method": {"options": {"x": "\x1b"}}}, "'method.options.x' is '\\x1b', but must be"),
        ({"data": {"detections": "d" * 300}}, "but string should have at most 200 characters"),
        ({"evaluation": {"aggregations": []}}, "'evaluation.aggregations' is [], but"),
        ({f"key{number}": 1 for number in range(20_000)}, "; and 19,995 more faults of it"),
    ],
)
def test_values_that_mean_nothing_are_one_short_sentence(description, words):
    with pytest.raises(InputError) as caught:
        parse(description)
    assert words in str(caught.value)
    check_sentence(caught.value)


@pytest.mark.parametrize("whole", [None, [], [1], 3, "text"])
def test_a_description_that_is_no_mapping_is_told_also_with_changes(whole):
    changed = with_changes(whole, [("method.name", "tcn"), ("evaluation.tail", "dedup")])
    with pytest.raises(InputError, match=r"^my\.yaml: '?the description'? is .* must be a mapping of the keys"):
        parse(changed, "my.yaml")


def test_a_change_below_a_value_does_not_replace_it():
    with pytest.raises(InputError, match=r"^my\.yaml: 'method' is 'tcn', but must be a mapping of the keys"):
        parse(with_changes({"method": "tcn"}, [("method.name", "mixste")]), "my.yaml")
    with pytest.raises(InputError, match=r"^my\.yaml: unknown key 'training\.seed\.x'"):
        parse(with_changes({"training": {"seed": 3}}, [("training.seed.x", 1)]), "my.yaml")


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
