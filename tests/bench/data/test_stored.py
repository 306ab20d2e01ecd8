from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.data.stored import (
    check_finite,
    check_length,
    check_names,
    check_number,
    check_per_frame,
    check_poses,
    read_each,
)
from models.errors import InputError, some_of
from tests.hostile import check_sentence

ODD = [
    np.array(3.0),
    np.array("text"),
    np.empty((2, 17, 2), dtype=object),
    [np.zeros((2, 17, 2)), np.zeros((3, 17, 2))],
    np.zeros((2, 17, 2), dtype=complex),
    np.zeros((2, 17, 2), dtype=bool),
    None,
    {},
    10**5000,
    "x" * 100_000,
]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_what_is_no_array_of_poses_is_one_short_sentence(value: Any) -> None:
    for check in (
        lambda: check_poses(value, "file, take", 17, (2, 3)),
        lambda: check_length(value, 4, "file, take", "is no list of 4"),
        lambda: check_per_frame(value, "file, take", 7, (0, 1)),
        lambda: check_number(value, 5, 10, "file, take", "the frames per second"),
    ):
        with pytest.raises(InputError, match="file, take") as caught:
            check()
        check_sentence(caught.value)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("i8", np.iinfo("i8").min),  # whose absolute value is itself
        ("i8", np.iinfo("i8").max),
        ("u8", np.iinfo("u8").max),
        ("f8", 1e300),  # finite, but not as float32
        ("f8", -1e300),
        ("f4", np.nan),
        ("f2", np.inf),
        ("f8", -np.inf),
    ],
)
def test_every_number_that_float32_cannot_hold_is_infinite(dtype: str, value: Any) -> None:
    array = np.zeros((9, 17, 2), dtype=dtype)
    check_finite(array, "take")
    check_finite(array[:0], "take")
    array[4, 16, 1] = array[7, 0, 0] = value
    with pytest.raises(InputError, match=r"take: NaN or infinite coordinate in frame 4 \(2 frames of 9"):
        check_finite(array, "take")


@pytest.mark.parametrize("value", [0, -1, 0.99, 1001, np.nan, np.inf, 1e300, True, "50", 1j, np.complex64(50)])
def test_an_absurd_frame_rate_is_refused(value: Any) -> None:
    for stored in (value, np.array(value)):
        with pytest.raises(InputError, match="take: the frames per second: .* no number from 1 to") as caught:
            check_number(stored, 1, 1000, "take", "the frames per second")
        check_sentence(caught.value)
    with pytest.raises(InputError, match=r"float64 \[4000\] is no number"):
        check_number(np.full(4000, 50.0), 1, 1000, "take", "the frames per second")


@pytest.mark.parametrize("value", [50, 50.0, np.float32(50), np.uint8(50), np.array(50), np.array([[50.0]])])
def test_a_frame_rate_may_be_any_number(value: Any) -> None:
    assert check_number(value, 1, 1000, "take", "the frames per second") == 50


def test_per_frame_values_of_ragged_lists() -> None:
    with pytest.raises(InputError, match="valid is list, not one number for each of 2 frames"):
        check_per_frame([[1, 2], [3]], "valid", 2, (0, 1))


def test_names_are_short_and_all_named() -> None:
    with pytest.raises(InputError, match=r"camera '3', 7, 9 is none of 0, 1: remove it"):
        check_names(["3", "0", 7, 9], ("0", "1"), "file", "camera")
    with pytest.raises(InputError) as caught:
        check_names(["\x1b[31m" * 1000, 10**5000, *map(str, range(2000))], ("a",), "file", "camera")
    check_sentence(caught.value)
    assert some_of([str(number) for number in range(11)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 3 more"


def test_everything_that_cannot_be_used_is_named() -> None:
    def fail(what: str) -> Any:
        raise InputError(f"{what} is damaged")

    assert read_each({"a": lambda: 1, "b": lambda: 2}, "files") == {"a": 1, "b": 2}
    with pytest.raises(InputError, match="^b is damaged; other files that cannot be used: c$"):
        read_each({"a": lambda: 1, "b": lambda: fail("b"), "c": lambda: fail("c")}, "files")
