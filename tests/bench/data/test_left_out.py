"""Takes that are left out: a condition of every data set."""

from __future__ import annotations

import pytest

from bench.config.experiment import parse
from bench.data.left_out import without_takes
from bench.data.packing import fingerprint
from models.errors import InputError
from tests.bench import toy


def test_takes_are_left_out_in_all_cameras_and_named() -> None:
    whole = toy.ToyData().load(None, "gt", {})
    part = toy.ToyData().load(None, "gt", {"leave_out": ["S9/Eating", "S1/Walking 1"]})
    assert {sequence.take for sequence in part.test} == {"S9/Eating 1", "S9/Walking", "S9/Walking 1"}
    assert len(part.train) == len(whole.train) - 2
    assert part.label == "toy motion without S9/Eating, S1/Walking 1"
    assert part.notes[-1] == "Takes left out: S9/Eating, S1/Walking 1"
    assert part.fingerprint == fingerprint(part.train, part.test)


@pytest.mark.parametrize(
    ("takes", "words"),
    [
        (["S9/Sitting"], "'S9/Sitting' is no take of toy motion, which has S9/Eating, S9/Eating 1"),
        (["Eating"], "which has S1/Eating"),
        (["S9/Eating", "S9/Eating 1", "S9/Walking", "S9/Walking 1"], "leaves no take to test on"),
    ],
)
def test_what_cannot_be_left_out_is_one_sentence(takes: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        without_takes(toy.dataset("toy", None, "gt"), takes)


def test_the_option_that_was_human36m_s_means_the_same() -> None:
    written = {"name": "human36m", "options": {"skip_takes": "S9/Greeting, S9 Waiting 1"}}
    assert parse({"data": written}).data.leave_out == ("S9/Greeting", "S9/Waiting 1")
    assert "leave_out" not in parse({}).described()["data"]
