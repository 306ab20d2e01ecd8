"""Checks of what foreign files hold: each failure is one sentence with the place, what is there and what to do."""

from __future__ import annotations

from collections import abc
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from models.errors import InputError, quoted, some_of

Found = TypeVar("Found")

FARTHEST = 1e9
"""Metres, millimetres or pixels: greater coordinates count as infinite, and are long before float32 ends."""

_LONGEST = 60


def in_words(value: object) -> str:
    """What a file holds, in few words: "float32 [9, 17, 2]", "the number 3.5", "dict"; no more of its content."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, float | np.number) or (isinstance(value, int) and abs(value) < 2**63):
        return f"the number {value}"
    return type(value).__name__


def check_dict(value: Any, place: str, content: str) -> dict[Any, Any]:
    """A dict, or ``InputError``. ``content``: what the dict must hold."""
    if not isinstance(value, dict):
        raise InputError(f"{place}: expected a dict of {content}, not {in_words(value)}: check the file")
    return value


def check_names(names: abc.Iterable[Any], known: abc.Collection[str], place: str, kind: str) -> None:
    """``InputError`` if some of the names are not known. ``kind``: of what they are names."""
    strange = [quoted(name, _LONGEST) for name in names if name not in known]
    if strange:
        raise InputError(f"{place}: {kind} {some_of(strange)} is none of {', '.join(known)}: remove it")


def check_length(value: Any, length: int, place: str, what: str) -> abc.Sequence[Any]:
    """A list, tuple or array with so many entries, or ``InputError``. ``what``: what is wrong with any other."""
    listed = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)
    if not listed or len(value) != length:
        found = f"{type(value).__name__} of {len(value)}" if isinstance(value, list | tuple) else in_words(value)
        raise InputError(f"{place}: {what} but {found}: export the file again")
    return value


def check_number(value: Any, low: float, high: float, place: str, what: str) -> float:
    """A number from ``low`` to ``high``, also as an array of one number, or ``InputError``."""
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "fiu":
        value = value.reshape(()).item()
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not low <= value <= high:
        raise InputError(f"{place}: {what}: {in_words(value)} is no number from {low:g} to {high:g}")
    return float(value)


def check_poses(value: Any, place: str, joints: int, coordinates: tuple[int, ...]) -> np.ndarray:
    """An array of numbers ``[frames, joints, C]``, C one of ``coordinates``, or ``InputError``.

    Whole numbers and half precision become float32, so that nothing is rounded when they are computed with.
    """
    shapes = [(joints, count) for count in coordinates]
    if not isinstance(value, np.ndarray) or value.shape[1:] not in shapes or value.dtype.kind not in "fiu":
        shape = f"[frames, {joints}, {' or '.join(map(str, coordinates))}]"
        raise InputError(f"{place} is {in_words(value)}, no numbers {shape}: export the file again")
    return value if value.dtype in (np.float32, np.float64) else value.astype(np.float32)


def check_finite(array: np.ndarray, place: str) -> None:
    """``InputError`` with the first frame ``[frames, …]`` that has NaN or infinity."""
    if not array.size or (float(array.min()) > -FARTHEST and float(array.max()) < FARTHEST):  # NaN is neither
        return
    fine = np.abs(array.astype(np.float64)) < FARTHEST
    bad = np.flatnonzero(~fine.reshape(len(array), -1).all(axis=1))
    count = f" ({len(bad):,} frames of {len(array):,} have one)" if len(bad) > 1 else ""
    raise InputError(f"{place}: NaN or infinite coordinate in frame {bad[0]}{count}: repair or remove the take")


def check_per_frame(value: Any, place: str, frames: int, allowed: abc.Collection[int]) -> np.ndarray:
    """One of the allowed numbers for each frame, as ``[frames]``, or ``InputError``."""
    try:
        array = np.asarray(value)
    except ValueError:  # lists of unequal lengths
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "fiub" or array.size != frames or max(array.shape, default=0) != frames:
        raise InputError(f"{place} is {in_words(value)}, not one number for each of {frames} frames")
    strange = sorted(set(np.unique(array).tolist()) - set(allowed))
    if strange:
        raise InputError(f"{place} holds {strange[0]:g}, none of {min(allowed)} to {max(allowed)}")
    return array.reshape(-1)


def read_each(reads: abc.Mapping[str, Callable[[], Found]], kind: str) -> dict[str, Found]:
    """What every one of several functions gives; the failures of all of them are one sentence.

    By the name of what is read; ``kind``: what the names are names of.

    Raises:
        InputError: the first failure, and the names of whatever else cannot be used.
    """
    found = {}
    failures: dict[str, InputError] = {}
    for name, read in reads.items():
        try:
            found[name] = read()
        except InputError as error:
            failures[name] = error
    if failures:
        first, *others = failures
        more = f"; other {kind} that cannot be used: {some_of(others)}" if others else ""
        raise InputError(f"{failures[first]}{more}") from failures[first]
    return found
