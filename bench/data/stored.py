"""Checks of what foreign files hold: each failure is one sentence with the place, what is there and what to do."""

from __future__ import annotations

from collections import abc
from typing import Any

import numpy as np

from models.errors import InputError

FARTHEST = 1e9  # metres, millimetres or pixels: greater coordinates count as infinite


def in_words(value: object) -> str:
    """Type and shape of an array ("float32 [9, 17, 2]"); of anything else the name of its type."""
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__


def check_dict(value: Any, place: str, content: str) -> dict[Any, Any]:
    """A dict, or ``InputError``. ``content``: what the dict must hold."""
    if not isinstance(value, dict):
        raise InputError(f"{place}: expected a dict of {content}, not {in_words(value)}: check the file")
    return value


def check_names(names: abc.Iterable[Any], known: abc.Collection[str], place: str, kind: str) -> None:
    """``InputError`` if one of the names is not known. ``kind``: of what they are names."""
    for name in names:
        if name not in known:
            raise InputError(f"{place}: {kind} {name!r} is none of {', '.join(known)}: remove it")


def check_poses(value: Any, place: str, joints: int, coordinates: tuple[int, ...]) -> np.ndarray:
    """An array of numbers ``[frames, joints, C]``, or ``InputError``.

    Args:
        value: that was stored.
        place: file, take and array, for the sentence.
        joints: as many.
        coordinates: the values of C that are allowed.
    """
    shapes = [(joints, count) for count in coordinates]
    if not isinstance(value, np.ndarray) or value.shape[1:] not in shapes or value.dtype.kind not in "fiu":
        shape = f"[frames, {joints}, {' or '.join(map(str, coordinates))}]"
        raise InputError(f"{place} is {in_words(value)}, no numbers {shape}: export the file again")
    return value


def check_finite(array: np.ndarray, place: str) -> None:
    """``InputError`` with the first frame ``[frames, …]`` that has NaN or infinity."""
    fine = np.abs(array) < FARTHEST  # which NaN is not
    if not fine.all():
        frame = int(np.argwhere(~fine)[0, 0])
        raise InputError(f"{place}: NaN or infinite coordinate in frame {frame}: repair or remove the take")


def check_per_frame(value: Any, place: str, frames: int, allowed: abc.Collection[int]) -> np.ndarray:
    """One of the allowed numbers for each frame, as ``[frames]``, or ``InputError``."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.size != frames or max(array.shape, default=0) != frames:
        raise InputError(f"{place} is {in_words(value)}, not one number for each of {frames} frames")
    strange = sorted(set(np.unique(array).tolist()) - set(allowed))
    if strange:
        raise InputError(f"{place} holds {strange[0]:g}, none of {min(allowed)} to {max(allowed)}")
    return array.reshape(-1)
