from pathlib import Path

import pytest

from bench.config.parsing import checked_options, override, parse_assignment, read_yaml, suggestion
from models.errors import InputError
from tests.hostile import check_sentence


def test_override_leaves_the_original_alone():
    original = {"training": {"epochs": 1}}
    assert override(original, "training.seed", 2) == {"training": {"epochs": 1, "seed": 2}}
    assert override(original, "data.name", "x") == {"training": {"epochs": 1}, "data": {"name": "x"}}
    assert original == {"training": {"epochs": 1}}


def test_where_there_is_no_mapping_both_stay_to_be_refused():
    assert override({"training": 3}, "training.seed", 2) == {"training": 3, "training.seed": 2}
    assert override({"training": None}, "training.seed", 2) == {"training": {"seed": 2}}
    with pytest.raises(InputError, match="no key has more than 10 parts"):
        override({}, "a" + ".a" * 5000, 1)


def test_assignments_are_yaml():
    assert parse_assignment("training.epochs=3") == ("training.epochs", 3)
    assert parse_assignment("training.clip=null") == ("training.clip", None)
    assert parse_assignment("method.options={}") == ("method.options", {})
    assert parse_assignment("layout={action}_{subject}") == ("layout", "{action}_{subject}")
    assert parse_assignment("layout='{action}_{subject}'") == ("layout", "{action}_{subject}")
    for text in ("epochs", "=3", "a=[1"):
        with pytest.raises(InputError, match="--set"):
            parse_assignment(text)


def test_unreadable_files(tmp_path):
    with pytest.raises(InputError, match=r"gone\.yaml: cannot be read"):
        read_yaml(tmp_path / "gone.yaml")
    for path in (tmp_path, tmp_path / "gone.yaml" / "x", tmp_path / ("n" * 300), Path("/dev/zero")):
        with pytest.raises(InputError, match="give the path of a YAML file") as told:
            read_yaml(path)
        check_sentence(told.value)
    marked = tmp_path / "marked.yaml"
    marked.write_bytes(b"\xef\xbb\xbfa: 1")  # as editors on Windows write it
    assert read_yaml(marked) == {"a": 1}
    marked.write_bytes("a: 1".encode("utf-16"))
    with pytest.raises(InputError, match="is not valid YAML .*codec can't decode"):
        read_yaml(marked)
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1")
    with pytest.raises(InputError, match="is not valid YAML"):
        read_yaml(broken)


def test_options_are_brought_to_their_declared_types():
    assert checked_options({"widths": [3, 3]}, {"widths": tuple[int, ...]}, "options", "tcn") == {"widths": (3, 3)}
    with pytest.raises(InputError, match=r"unknown key 'options\.width' for tcn: did you mean 'widths'\?"):
        checked_options({"width": 3}, {"widths": int}, "options", "tcn")
    with pytest.raises(InputError, match=r"unknown key 'options\.width' for tcn: it has no options"):
        checked_options({"width": 3}, {}, "options", "tcn")
    with pytest.raises(InputError, match=r"key 'options\.widths' is 'x', but must be a whole number"):
        checked_options({"widths": "x"}, {"widths": int}, "options", "tcn")
    for value in (float("inf"), "inf", "nan"):
        with pytest.raises(InputError, match=r"key 'options\.rate' is .*, but must be a finite number"):
            checked_options({"rate": value}, {"rate": float}, "options", "tcn")


def test_a_suggestion_is_the_nearest_word_or_all_of_them():
    assert suggestion("mixest", ["mixste", "tcn"]) == "did you mean 'mixste'?"
    assert suggestion("zzz", ["tcn", "mixste"]) == "allowed: mixste, tcn"
