"""Sentences for people: one line of bounded length, whatever they quote."""

import pickle

import pytest

from models.errors import LONGEST_SENTENCE, LONGEST_VALUE, DivergedError, InputError, quoted, shown


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("plain, ü, 日本語", "plain, ü, 日本語"),
        ("a\nb\tc\0d\x1b[31m", "a\\nb\\tc\\x00d\\x1b[31m"),
        ("\udcff\u202egnp", "\\udcff\\u202egnp"),
    ],
)
def test_what_cannot_be_printed_is_escaped(text, right):
    assert shown(text) == str(InputError(text)) == right


@pytest.mark.parametrize("letter", ["x", "\x1b", "\U000e0001"])
def test_of_a_long_sentence_the_beginning_and_the_end_are_kept(letter):
    told = str(InputError(f"mine.yaml: key is {letter * 30_000}, but must be a number"))
    assert len(told) <= LONGEST_SENTENCE
    assert told.isprintable()
    assert told.startswith("mine.yaml: key is ")
    assert told.endswith(", but must be a number")


@pytest.mark.parametrize(
    "value", ["y" * 9000, 10**5000, [[["z" * 500]]], b"\0" * 500], ids=lambda value: type(value).__name__
)
def test_a_quoted_value_is_short(value):
    assert 10 < len(quoted(value)) <= LONGEST_VALUE
    assert quoted("a") == "'a'"


def test_an_error_comes_back_whole_from_another_process():
    for error in (InputError("a\nb"), DivergedError("c")):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy)) == (type(error), str(error))
