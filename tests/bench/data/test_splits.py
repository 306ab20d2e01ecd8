from __future__ import annotations

import pytest

from bench.data.splits import held_out_takes, split_validation, validation_rule
from models.errors import InputError
from tests.bench.data import make_sequence


def test_validation_holds_out_whole_takes_of_every_subject() -> None:
    takes = [f"A{number:02d}" for number in range(30)]
    sequences = [
        make_sequence(2, subject, action, camera)
        for subject in ("S1", "S5")
        for action in takes
        for camera in "ab"
    ]
    train, validation = split_validation(sequences, 10, ())
    assert len(train) + len(validation) == len(sequences)
    assert not {sequence.take for sequence in train} & {sequence.take for sequence in validation}
    held = {sequence.take for sequence in validation}
    assert len(validation) == 2 * len(held) == 12
    assert {sequence.subject for sequence in validation} == {"S1", "S5"}


def test_validation_of_a_small_set() -> None:
    sequences = [make_sequence(2, f"S{s}", f"A{a}") for s, takes in enumerate((8, 4, 1)) for a in range(takes)]
    train, validation = split_validation(sequences, 10, ())
    assert [sequence.take for sequence in validation] == ["S0/A1", "S1/A0"]
    assert {sequence.subject for sequence in train} == {"S0", "S1", "S2"}
    with pytest.raises(InputError, match="two takes"):
        split_validation(sequences[-1:], 10, ())


def test_the_rule_and_the_takes_are_those_of_the_split() -> None:
    sequences = [make_sequence(2, subject, f"A{a:02d}") for subject in ("S1", "S5") for a in range(20)]
    _, validation = split_validation(sequences, 10, ())
    assert held_out_takes(sequences, 10, ()) == sorted(sequence.take for sequence in validation)
    assert validation_rule(sequences, 10, ()) == "every 10th take of the training subjects"


def test_nothing_is_held_out() -> None:
    sequences = [make_sequence(2, "S1", "A0")]
    for subjects in ((), ("S1",)):
        assert split_validation(sequences, 0, subjects) == (tuple(sequences), ())
        assert validation_rule(sequences, 0, subjects) == "none"
