"""One person out of all that a file holds: followed by the file's track ids, or by where the boxes are."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np

from bench.footage.detected.detections import Detections
from models.errors import InputError

NEAR, NEAR_LATER = 0.5, 0.05
"""From one frame to the next a box moves less than this share of its size; so much more for every frame more."""

ALIKE = 0.5  # and has at least this share of the size that it had
FORGOTTEN = 300  # frames after which somebody who was not seen is somebody else
MOST_REPEATED = 0.1  # of frames in which two people have one track id
Box = tuple[float, float, float, int]  # centre, size and frame


def choose_person(found: Detections, named: int | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows of the detections of one person, one in a frame at most, and sentences on how it was chosen.

    ``named``: number of the person; None for the one with the largest boxes in most frames.

    Raises:
        InputError: there is no such person.
    """
    sizes = _boxes(found)
    with_ids = bool((found.tracks >= 0).all())
    own = with_ids and _tells_apart(found)
    tracks = found.tracks if own else _followed(found.frames, sizes)
    people = np.unique(tracks)
    weight = {int(person): float(sizes[tracks == person, 2].sum()) for person in people}
    chosen = max(weight, key=lambda person: weight[person]) if named is None else named
    if chosen not in weight:
        known = ", ".join(map(str, sorted(weight)[:12]))
        raise InputError(f"--person {chosen}: is not in {found.source}, which has {known}")
    rows = np.flatnonzero(tracks == chosen)
    _, first = np.unique(found.frames[rows], return_index=True)
    rows = rows[first]
    if len(people) == 1:
        return rows, ()
    lacking = "the file's track ids are the same for several people" if with_ids else "the file has no track ids"
    how = "by the file's track ids" if own else f"from frame to frame by their boxes, as {lacking}"
    why = "the one with the largest boxes" if named is None else "named by --person"
    return rows, (
        f"{len(people)} people, followed {how}: person {chosen}, {why}, seen in {len(rows):,} frames; the others "
        f"({', '.join(str(person) for person in people[:12] if person != chosen)}) by --person",
    )


def _tells_apart(found: Detections) -> bool:
    """Whether people in one frame have track ids of their own; where a tool writes 0 for everybody they do not."""
    pairs = np.stack([found.frames, found.tracks], axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    repeated = np.unique(np.delete(found.frames, first))
    return len(repeated) <= MOST_REPEATED * len(np.unique(found.frames))


def _boxes(found: Detections) -> np.ndarray:
    """``[D, 3]`` centre and size (the longer side) of the box around the points of each person."""
    low = np.fmin.reduce(found.points[..., :2], axis=1)
    high = np.fmax.reduce(found.points[..., :2], axis=1)
    centre, size = (low + high) / 2, (high - low).max(axis=-1)
    return np.concatenate([centre, size[:, None]], axis=-1)


def _followed(frames: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """``[D]`` numbers of people from 1 on: each box goes on with the person whose last box was nearest.

    Where no frame has two boxes it is one person, however far it moves.
    """
    if (np.diff(frames) > 0).all():
        return np.ones(len(frames), dtype=np.int64)
    numbers = np.empty(len(frames), dtype=np.int64)
    last: dict[int, Box] = {}
    people = 0
    for frame, group in groupby(range(len(frames)), key=lambda row: int(frames[row])):
        rows = list(group)
        here: dict[int, Box] = {row: (*boxes[row].tolist(), frame) for row in rows}
        last = {number: box for number, box in last.items() if frame - box[3] <= FORGOTTEN}
        pairs = [
            (distance, number, row)
            for row, box in here.items()
            for number, before in last.items()
            if (distance := _distance(before, box)) is not None
        ]
        taken: dict[int, int] = {}
        for _, number, row in sorted(pairs):
            if row not in taken and number not in taken.values():
                taken[row] = number
        for row in rows:
            if row not in taken:
                people += 1
            number = taken.get(row, people)
            numbers[row], last[number] = number, here[row]
    return numbers


def _distance(one: Box, other: Box) -> float | None:
    """Distance of two boxes, earlier one first, in sizes of the larger; None if they cannot be one person's."""
    larger, smaller = max(one[2], other[2]), min(one[2], other[2])
    distance = math.hypot(one[0] - other[0], one[1] - other[1]) / max(larger, 1e-9)
    near = NEAR + NEAR_LATER * (other[3] - one[3] - 1)
    return distance if distance < near and smaller >= ALIKE * larger else None
