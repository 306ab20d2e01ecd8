import pytest
import yaml

from bench.config.experiment import identity, parse
from bench.config.parsing import override, parse_assignment, read_yaml
from models.errors import InputError


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


def test_override_leaves_the_original_alone():
    original = {"training": {"epochs": 1}}
    assert override(original, "training.seed", 2) == {"training": {"epochs": 1, "seed": 2}}
    assert override(original, "data.name", "x") == {"training": {"epochs": 1}, "data": {"name": "x"}}
    assert original == {"training": {"epochs": 1}}


def test_assignments_are_yaml():
    assert parse_assignment("training.epochs=3") == ("training.epochs", 3)
    assert parse_assignment("training.clip=null") == ("training.clip", None)
    for text in ("epochs", "=3", "a=[1"):
        with pytest.raises(InputError, match="--set"):
            parse_assignment(text)


def test_unreadable_files(tmp_path):
    with pytest.raises(InputError, match=r"gone\.yaml: cannot be read"):
        read_yaml(tmp_path / "gone.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1")
    with pytest.raises(InputError, match="is not valid YAML"):
        read_yaml(broken)
