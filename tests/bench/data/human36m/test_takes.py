from __future__ import annotations

import pytest

from bench.data.human36m.takes import ACTIONS, notes_on_names, usual_name, with_usual_names, without_takes
from models.errors import InputError


@pytest.mark.parametrize("mark", [" ", "-", "_"])
def test_other_spellings_are_the_same_fifteen_classes(mark: str) -> None:
    others = {
        "TakingPhoto": "Photo",
        "WalkingDog": "WalkDog",
        "WalkingTogether": "WalkTogether",
        "sitting": "Sitting",
    }
    for old, new in {**{name: name for name in ACTIONS}, **others}.items():
        assert usual_name(old) == new
        assert usual_name(f"{old}{mark}2") == f"{new} 2"


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        ("Taking Photo 1", "Photo 1"),
        ("sitting_down_2", "SittingDown 2"),
        ("Walk Dog", "WalkDog"),
        ("Walking1", "Walking 1"),
        ("Greeting 01", "Greeting 1"),
        ("s_09_act_02_subact_01", "Directions 1"),
        ("act_12_subact_02", "Photo 2"),
        ("s_11_act_16_subact_01", "WalkTogether 1"),
    ],
)
def test_spellings_of_converters_are_known(name: str, usual: str) -> None:
    assert usual_name(name) == usual


@pytest.mark.parametrize(
    "name",
    [*ACTIONS, "Walking 1", "BasketballSignal", "Soccer 2", "take_2021", "01-02", "a-b", "-", "x 1 2"],
)
def test_usual_names_stay(name: str) -> None:
    assert usual_name(name) == name


def test_two_spellings_of_one_take_are_refused() -> None:
    takes = {"S1": {"Walking-1": 0, "Walking 1": 1, "Eating": 2}}
    with pytest.raises(InputError, match="file: S1 has Walking-1, Walking 1, which are names of one take"):
        with_usual_names(takes, "file")


def test_notes_name_what_is_not_usual() -> None:
    stored = {"S1": {"Walking_1": 0, "Jumping": 0}, "S9": {"Soccer": 0}}
    renamed, strange = notes_on_names(stored, with_usual_names(stored, "file"))
    assert renamed == "Takes have their usual names: Walking_1 is Walking 1"
    assert strange.endswith("none of Human3.6M's fifteen, each a class of its own: Jumping, Soccer")
    usual = {"S11": {"Directions 1": 0, "Photo": 0}}
    assert notes_on_names(usual, usual) == []


def test_which_take_is_damaged_is_not_guessed() -> None:
    stored = {"S11": {"Directions-1": 0, "Directions-2": 1}}
    assert (
        "which of them the field leaves out cannot be told"
        in notes_on_names(stored, with_usual_names(stored, ""))[1]
    )


def test_takes_can_be_left_out() -> None:
    takes = {"S1": {"Eating": 0}, "S9": {"Greeting": 0, "Waiting 1": 1, "Photo": 2}}
    kept, names = without_takes(takes, ["S9/Greeting", "S9/Waiting-1"], "file")
    assert kept == {"S1": {"Eating": 0}, "S9": {"Photo": 2}}
    assert names == ["S9/Greeting", "S9/Waiting 1"]
    assert "S1" not in without_takes(takes, ["S1/Eating"], "file")[0]
    with pytest.raises(InputError, match="no take of file, which has S9/Greeting, S9/Photo, S9/Waiting 1"):
        without_takes(takes, ["S9/Walking"], "file")
