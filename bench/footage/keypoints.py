"""The key points of one person as a method is given them: Human3.6M's joints, gaps filled, in screen coordinates.

Shapes: T frames from the first to the last in which the person is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.data.cameras.camera import normalise
from bench.data.layouts import Layout, to_human36m
from bench.footage.detected.detections import Detections
from bench.footage.detected.people import choose_person
from bench.footage.detected.recognise import layout_of, read_key_points, with_size
from models.errors import InputError
from models.skeleton import HUMAN36M

LONGEST_GAP = 10  # frames without the person that are filled up, unless the user says another number
USUAL_FPS = 30.0  # frames per second where neither the file nor the user says it
SPARSE = 100  # more frames than this for each one with the person are no video
PORTRAIT = 1.2  # height by width from which on an image is upright; those of the training are square
UNUSUAL = (0.5, 2.0)  # height of a person by that of people in the training, from and to which nothing is said


@dataclass(frozen=True)
class KeyPoints:
    """One person in a video.

    Attributes:
        layout: that the joints were made from.
        width, height: of the image in pixels.
        frames: ``[T]`` their numbers in the file.
        points: ``[T, 17, 2]`` float32 pixels; NaN between the pieces.
        confidence: ``[T, 17]`` float32 from 0 to 1, 0 where a joint was filled up; None where the file has none.
        filled: ``[T]`` bool, frames without the person that were filled up.
        filled_joints: ``[T, 17]`` bool, joints that were filled up, those of filled frames included.
        pieces: (first, end) of the runs of frames that are lifted, with longer gaps between them.
    """

    source: str
    layout: Layout
    width: int
    height: int
    fps: float
    frames: np.ndarray
    points: np.ndarray
    confidence: np.ndarray | None
    filled: np.ndarray
    filled_joints: np.ndarray
    pieces: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def lifted(self) -> np.ndarray:
        """``[T]`` bool, frames in one of the pieces."""
        inside = np.zeros(len(self), dtype=bool)
        for first, end in self.pieces:
            inside[first:end] = True
        return inside


def load_key_points(
    path: Path,
    size: tuple[int, int] | None = None,
    layout: str | None = None,
    person: int | None = None,
    longest_gap: int = LONGEST_GAP,
    fps: float | None = None,
) -> KeyPoints:
    """The key points of one person in a file of any known tool.

    Args:
        path: of a file, or of a folder of OpenPose's files.
        size: width and height of the image, where the file does not say it.
        layout: name of the layout, where number and places of the points do not tell it.
        person: number of the person; None for the one with the largest boxes in most frames.
        longest_gap: so many frames without the person are filled up; a longer gap cuts the video into pieces.
        fps: frames per second, where the file does not say it.

    Raises:
        InputError: the file cannot be read, nobody is in it, or a joint of the body is never seen.
    """
    found = with_size(read_key_points(path), size)
    frames = np.unique(found.frames)
    if SPARSE * len(frames) < frames[-1] - frames[0]:
        raise InputError(
            f"{found.source}: {len(frames):,} frames are numbered {frames[0]} to {frames[-1]}, as in no video: "
            "number them in order"
        )
    known = layout_of(found, layout)
    rows, notes = choose_person(found, person)
    return _one_person(found, known, rows, longest_gap, fps, notes)


def _one_person(
    found: Detections,
    layout: Layout,
    rows: np.ndarray,
    longest_gap: int,
    fps: float | None,
    notes: tuple[str, ...],
) -> KeyPoints:
    """The person of these rows of the detections."""
    assert found.size is not None
    seen = found.frames[rows]
    T = int(seen[-1] - seen[0]) + 1
    joints = np.full((T, len(HUMAN36M.joints), 3), np.nan, dtype=np.float32)
    joints[seen - seen[0]] = to_human36m(found.points[rows], layout)
    there = np.isfinite(joints[..., 0] + joints[..., 1])
    pieces = _pieces(there, longest_gap, found.source)
    inside = np.zeros(T, dtype=bool)
    for first, end in pieces:
        _fill(joints[first:end], there[first:end])
        inside[first:end] = True
    joints[~inside] = np.nan
    filled = inside & ~there.any(axis=1)
    told = fps or found.fps
    return KeyPoints(
        source=found.source,
        layout=layout,
        width=found.size[0],
        height=found.size[1],
        fps=told or USUAL_FPS,
        frames=np.arange(seen[0], seen[0] + T),
        points=joints[..., :2],
        confidence=joints[..., 2] if found.has_confidence else None,
        filled=filled,
        filled_joints=inside[:, None] & ~there,
        pieces=pieces,
        notes=(
            f"{found.tool}, {layout.title}, image {found.size[0]} x {found.size[1]}",
            *notes,
            *_gaps(filled, inside, ~there, longest_gap),
            *(() if told else (f"{USUAL_FPS:g} frames per second assumed; --fps says another number",)),
        ),
    )


def _pieces(there: np.ndarray, longest_gap: int, source: str) -> tuple[tuple[int, int], ...]:
    """(first, end) of runs of frames whose gaps are no longer than ``longest_gap`` and that see every joint.

    ``there``: ``[T, 17]`` bool, joints that were seen.
    """
    frames = np.flatnonzero(there.any(axis=1))
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > longest_gap + 1) + 1)
    ends = [(int(run[0]), int(run[-1]) + 1) for run in runs if len(run)]
    pieces = tuple((first, end) for first, end in ends if there[first:end].any(axis=0).all())
    if not pieces:
        lost = [name for name, times in zip(HUMAN36M.joints, there.sum(axis=0), strict=True) if not times]
        what = ", ".join(lost) or "some joint in every piece of the video"
        raise InputError(f"{source}: never seen: {what}; whole bodies are lifted, so film all of it")
    return pieces


def _fill(joints: np.ndarray, there: np.ndarray) -> None:
    """Fill what was not seen of ``[T, 17, 3]`` on a straight line between the frames beside it, in place.

    Places are filled in; nobody saw them, so their confidence is 0.
    """
    time = np.arange(len(joints))
    for joint in np.flatnonzero(~there.all(axis=0)):
        known = np.flatnonzero(there[:, joint])
        for column in (0, 1):
            joints[:, joint, column] = np.interp(time, known, joints[known, joint, column])
    joints[~there, 2] = 0


def _gaps(filled: np.ndarray, inside: np.ndarray, unseen: np.ndarray, longest_gap: int) -> tuple[str, ...]:
    """Sentences on frames ``[T]`` and joints ``[T, 17]`` that were not seen."""
    notes = []
    if filled.any():
        notes.append(f"{filled.sum():,} frames without the person filled up, in gaps of at most {longest_gap}")
    hidden = unseen[inside & ~filled]
    if hidden.any():
        notes.append(
            f"{hidden.mean():.1%} of the joints of the other frames were not seen, and filled up likewise"
        )
    if not inside.all():
        notes.append(f"{(~inside).sum():,} frames in longer gaps, or without a whole body, have no pose")
    return tuple(notes)


class Fit(NamedTuple):
    """How screen coordinates are brought to those of the training: ``scale * (screen - centre)``."""

    scale: float = 1.0
    centre: tuple[float, float] = (0.0, 0.0)

    def applied(self, screen: np.ndarray) -> np.ndarray:
        """``[..., 2]`` screen coordinates, of the same type."""
        return ((screen - np.array(self.centre)) * self.scale).astype(screen.dtype)

    def camera(self, focal: float) -> np.ndarray:
        """``[9]`` float32: the camera that sees what is fitted, of a focal length in screen units before."""
        x, y = self.centre
        inside = [self.scale * focal, self.scale * focal, -self.scale * x, -self.scale * y]
        return np.array([*inside, 0, 0, 0, 0, 0], dtype=np.float32)


def in_parts(first: int, end: int, at_once: int = 10_000) -> Iterator[slice]:
    """The frames from ``first`` to ``end`` in parts, so that the memory does not grow with them."""
    return (slice(begin, min(begin + at_once, end)) for begin in range(first, end, at_once))


def screen_points(points: KeyPoints, frames: slice | np.ndarray) -> np.ndarray:
    """``[N, 17, 2]`` normalised screen coordinates (``bench.data.cameras.camera.normalise``) of some frames."""
    return normalise(points.points[frames], points.width, points.height)


def fit_to_training(points: KeyPoints, height: float, wanted: bool) -> tuple[Fit, str]:
    """How the person is brought to the size of people in the training, and a sentence on it; "" for none.

    Args:
        height: of people in the training, in screen units.
        wanted: whether to do it; if not, the sentence says where it would help.
    """
    some = screen_points(points, np.flatnonzero(points.lifted)[:: max(1, len(points) // 2000)])
    low, high = some.min(axis=1), some.max(axis=1)
    own = float(np.median((high - low).max(axis=-1)))
    share = own / height
    if wanted:
        x, y = np.median((low + high) / 2, axis=0).tolist()
        fit = Fit(height / max(own, 1e-6), (x, y))
        return fit, f"fitted to the training: enlarged {fit.scale:.2f} times, its middle moved to the image's"
    portrait = points.height > PORTRAIT * points.width
    if UNUSUAL[0] <= share <= UNUSUAL[1] and not portrait:
        return Fit(), ""
    why = "the image is upright" if portrait else "it is of unusual size"
    return Fit(), f"the person is {share:.2f} times as large as in the training, and {why}: --fit may help"
