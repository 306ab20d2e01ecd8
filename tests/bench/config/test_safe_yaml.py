"""YAML of any kind: content, or one error that says where."""

import itertools

import pytest

from bench.config.experiment import Experiment, identity, parse, with_changes
from bench.config.parsing import parse_assignment, read_yaml
from bench.config.safe_yaml import LARGEST, YamlError, load_yaml
from models.errors import InputError
from tests.hostile import check_sentence, little_memory, yaml_texts

BOMB = "\n".join(
    ["a0: &a0 [lol]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)), "training: *a8"]
)
MERGES = "\n".join(
    ["a0: &a0 {k: 1}", *(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 9))]
)
FAULTS = {
    "training: {seed: 2001-99-99}": "line 1, column 18: '2001-99-99' cannot be read as timestamp",
    "a: 1\nb: 0b_": "line 2, column 4: '0b_' cannot be read as int",
    "0x_": "'0x_' cannot be read as int",
    "!!int x": "'x' cannot be read as int",
    "!!float ''": "'' cannot be read as float",
    "!!bool maybe": "'maybe' cannot be read as bool",
    "!!timestamp x": "'x' cannot be read as timestamp",
    "9" * 5000: "a number has more than 100 characters",
    "0x" + "f" * 20: "is beyond 64 bits",
    "[1, -.inf]": "line 1, column 5: '-.inf' is not a finite number",
    ".nan": "'.nan' is not a finite number",
    "[" * 3000: "more than 50 levels",
    "a: " * 3000: "mapping values are not allowed here",
    "{a: 1, b: 2, a: 3}": "line 1, column 14: the key 'a' stands twice",
    "a: &a [*a]": "line 1, column 8: an alias stands inside of what it stands for",
    "*nowhere": "found undefined alias 'nowhere'",
    BOMB: "aliases stand for more than 1,000,000 characters",
    MERGES: "aliases stand for more than 1,000,000 characters",
    'a: "\\e[31m"': "line 1, column 4: a text has a control character",
    "\0": "unacceptable character",
    "!!python/object/apply:os.system ['false']": "could not determine a constructor",
    "? [a]\n: 1": "found unhashable key",
    "a: 1\n--- \nb: 2": "expected a single document",
    "\n".join(f"key{i}: {i}" for i in range(20_000)): f"more than {LARGEST:,} characters",
}


@pytest.mark.parametrize("text", FAULTS, ids=lambda text: text[:20])
def test_a_fault_is_one_error_with_its_place(text):
    with little_memory(), pytest.raises(YamlError) as told:
        load_yaml(text)
    assert FAULTS[text] in str(told.value)


def test_faults_in_files_and_on_the_command_line_are_sentences(tmp_path):
    path = tmp_path / "mine.yaml"
    for text in FAULTS:
        path.write_text(text)
        with pytest.raises(InputError, match=r"^\S*mine\.yaml: ") as told:
            read_yaml(path)
        check_sentence(told.value)
        with pytest.raises(InputError, match="^--set training=") as told:
            parse_assignment(f"training={text}")
        check_sentence(told.value)


def test_what_people_write_is_read():
    text = "a: &x {b: [1, 2.5, yes, null, text]}\nc: *x\nd: {<<: *x, e: 1e-3, f: 2001-02-03}\ng: >\n  one\n  two\n"
    content = load_yaml(text)
    assert content["c"] == content["a"] == {"b": [1, 2.5, True, None, "text"]}
    assert content["d"]["b"] == content["a"]["b"]
    assert content["g"] == "one two\n"
    assert load_yaml("") is None
    assert load_yaml("[]") == []


def test_random_texts_are_read_or_refused_with_one_sentence():
    read = 0
    with little_memory():
        for text in yaml_texts(seed=19, number=400):
            try:
                load_yaml(text)
            except YamlError as error:
                check_sentence(InputError(error))
            else:
                read += 1
    assert 40 < read < 360


SECTIONS = {name: list(field.annotation.model_fields) for name, field in Experiment.model_fields.items()}
KEYS = [f"{section}.{key}" for section, keys in SECTIONS.items() for key in keys] + list(SECTIONS)


def test_a_description_that_is_accepted_has_an_identity_and_is_read_back():
    """Whatever is set: either one sentence, or an experiment whose YAML means the same."""
    accepted = 0
    for text, key in zip(yaml_texts(seed=20, number=600, parts=2), itertools.cycle(KEYS), strict=False):
        key = f"{key}.x" if key.endswith("options") else key
        try:
            experiment = parse(with_changes({}, [parse_assignment(f"{key}={text}")]))
        except InputError as error:
            check_sentence(error)
            continue
        accepted += 1
        assert len(identity(experiment.described())) == 16
        assert parse(load_yaml(experiment.to_yaml())) == experiment
    assert accepted > 30
