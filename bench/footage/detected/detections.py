"""What a file of key points holds: persons that were seen, frame by frame, in the file's own layout.

Shapes: D detections, N key points of a layout.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from models.errors import InputError

MOST_PIXELS = 1e6  # coordinates beyond it are no place in an image

NOBODY = "nobody is in it: check that the detector found a person"


class Person(NamedTuple):
    """One person in one frame.

    Attributes:
        points: ``[N, 3]`` x and y in pixels, and confidence; NaN where there is none.
        track: the file's own number of this person, the same in every frame; -1 where it has none.
    """

    frame: int
    points: np.ndarray
    track: int


@dataclass(frozen=True)
class Detections:
    """All persons of a file, in the order of frames.

    Attributes:
        tool: that wrote it, in words.
        frames: ``[D]`` int64.
        points: ``[D, N, 3]`` float32 x and y in pixels, and confidence; NaN for what was not seen.
        tracks: ``[D]`` int64 numbers of persons; -1 where the file has none.
        layout: name of the layout, if the file says it.
        size: width and height of the image in pixels, if the file says it.
        fps: frames per second, if the file says it.
    """

    source: str
    tool: str
    frames: np.ndarray
    points: np.ndarray
    tracks: np.ndarray
    layout: str | None = None
    size: tuple[int, int] | None = None
    fps: float | None = None

    @property
    def has_confidence(self) -> bool:
        return bool(np.isfinite(self.points[..., 2]).any())


def collect(persons: Iterable[Person], source: str, tool: str) -> Detections:
    """The persons of a file, held as numbers alone: 12 bytes a key point.

    Raises:
        InputError: there is none, they have different numbers of key points, or a place that is none.
    """
    frames, tracks, values = array("q"), array("q"), array("f")
    size = 0
    for person in persons:
        if size and len(person.points) != size:
            raise InputError(
                f"{source}: has persons of {size} and of {len(person.points)} key points (frame {person.frame}): "
                "write one layout into a file"
            )
        size = len(person.points)
        frames.append(person.frame)
        tracks.append(person.track)
        values.frombytes(person.points.astype(np.float32).tobytes())
    if not frames:
        raise InputError(f"{source}: {NOBODY}")
    numbers = np.frombuffer(frames, dtype=np.int64)
    points = np.frombuffer(values, dtype=np.float32).reshape(len(numbers), size, 3)
    order = np.argsort(numbers, kind="stable")
    return checked(
        Detections(source, tool, numbers[order], points[order], np.frombuffer(tracks, dtype=np.int64)[order])
    )


def checked(found: Detections) -> Detections:
    """Detections with NaN for what was not seen: a confidence of 0, or a point in the corner of the image.

    Raises:
        InputError: nobody was seen, or the coordinates are no pixels.
    """
    points = np.array(found.points, dtype=np.float32)  # a copy
    points[~np.isfinite(points)] = np.nan
    with np.errstate(invalid="ignore"):
        unseen = (points[..., 2] <= 0) | ~points[..., :2].any(axis=-1)
        if np.isfinite(points[..., 2]).any():
            unseen |= np.isnan(points[..., 2])
        points[unseen] = np.nan
        seen = np.isfinite(points[..., 0] + points[..., 1])
        if not seen.any():
            raise InputError(f"{found.source}: {NOBODY}")
        largest, surest = float(np.nanmax(np.abs(points[..., :2]))), float(np.nanmax(points[..., 2], initial=0))
    if largest <= 2:
        raise InputError(
            f"{found.source}: its coordinates are at most {largest:.2f}, so they are normalised: write pixels"
        )
    if largest > MOST_PIXELS:
        raise InputError(f"{found.source}: has a coordinate of {largest:.3g}, which is no place in an image")
    if surest > 100:
        raise InputError(
            f"{found.source}: its third column goes up to {surest:.4g}, which is no confidence: these are 3D "
            "poses, or other numbers; write x, y and confidence"
        )
    if surest > 1:  # some tools have scores above 1 (heat maps), others percent
        points[..., 2] = np.minimum(points[..., 2] / (100 if surest > 10 else 1), 1)
    someone = seen.any(axis=1)
    return replace(found, frames=found.frames[someone], points=points[someone], tracks=found.tracks[someone])
