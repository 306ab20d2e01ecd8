"""How the poses of a data set stand in its cameras: what is measured of each sequence, and what may be said of it.

All of it is computed for many sequences at once, from a few frames of each or from all frames of one.
"""

from __future__ import annotations

from collections import Counter, abc, defaultdict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.data.cameras.camera import project
from bench.data.inspect.stature import Verdict, head_and_feet
from bench.data.sequence import Sequence
from models.errors import some_of
from models.skeleton import Skeleton

OUTSIDE = 0.1  # share of joints that may lie outside the image
MISPLACED = 0.03  # of the image's width: median distance of 2D poses and projections
MISPLACED_SEQUENCE = 0.06  # the same of a single sequence
SHIFTED = 0.015  # of the image's width: what all joints of a sequence may have in common
UNUSUAL, USUAL_SHIFT = 8.0, 0.004
"""Within a subject, a shift is unusual so many standard deviations above the median, and above 0.4 %."""
HEAD_DOWN = 0.1  # share of frames with the head above the feet; with less all people stand on their heads
DISTANCE = (0.5, 100.0)  # metres of the root from the camera; virtual cameras stand back up to 88 m
APART = 0.01  # screen units between the means of left and right joints
AGREEING = 0.9  # share of frames in which left and right of 2D and 3D are the same
CONFUSED = 0.75  # below this share no detector is that bad: the data are wrong
TELLING = 6  # frames of a sequence that must tell left from right before it is judged by itself
LOST = 0.1  # share of frames without detections
FEW = 0.05  # share of sequences that may be wrong by themselves before the whole set is
FITS = 0.98  # correlation with which 2D poses are taken for scaled or turned projections
CHUNK = 1000  # sequences that are measured at the same time, for memory


@dataclass(frozen=True)
class View:
    """Measures of one sequence over frames that count, in metres and screen units.

    Attributes:
        lost: frames, of all that count, whose 2D joints are all in one place.
        outside: share of joints outside the image.
        misplaced: ``[N]`` distances of 2D joints from their projections by the image's width.
        middle: the median of them.
        shift: the part of them that all joints have in common.
        slopes: of 2D coordinates on the projected ones, x and y; 0 where they do not follow one another.
        depth: least depth of a joint.
        distance: least and greatest distance of the root.
        sides: agreement of 2D and 3D on left and right: frames that agree, frames that tell.
        upright: share of frames in which the head is above the feet; None for a skeleton without them.
    """

    sequence: Sequence
    lost: int
    outside: float
    misplaced: np.ndarray
    middle: float
    shift: float
    slopes: tuple[float, float]
    depth: float
    distance: tuple[float, float]
    sides: tuple[int, int]
    upright: float | None


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        text: one line with the numbers that it judges by.
        wrong: the data as a whole cannot be right.
        odd: single sequences cannot.
        doubtful: it may be right, and whoever reads results must know of it.
    """

    text: str
    wrong: bool = False
    odd: bool = False
    doubtful: bool = False

    @property
    def verdict(self) -> Verdict:
        return "problem" if self.wrong or self.odd else "note" if self.doubtful else "ok"


def measure(sequences: abc.Sequence[Sequence], skeleton: Skeleton, frames: int | None = None) -> list[View]:
    """Measure sequences, if they have any, at frames that count and have detections.

    ``frames``: of each sequence, evenly spaced; a shorter one has some of them several times. None for all.
    """
    views = []
    sequences = [sequence for sequence in sequences if len(sequence)]
    together = 1 if frames is None else CHUNK
    for begin in range(0, len(sequences), together):
        part = sequences[begin : begin + together]
        lost = [lost_frames(sequence) for sequence in part]
        rows = [_rows(sequence, absent, frames) for sequence, absent in zip(part, lost, strict=True)]
        views += _measured(part, rows, [int(absent.sum()) for absent in lost], skeleton)
    return views


def lost_frames(sequence: Sequence) -> np.ndarray:
    """``[T]`` bool, frames that count and whose 2D joints are all in one place: nobody was detected."""
    pose = sequence.pose_2d
    if pose.shape[1] == 1:  # a single point is always in one place
        return np.zeros(len(pose), dtype=bool)
    lost = (pose[:, 0] == pose[:, -1]).all(axis=-1)  # quick to look at; rarely true
    rows = np.flatnonzero(lost)
    lost[rows] = (pose[rows] == pose[rows, :1]).all(axis=(1, 2))
    return lost & sequence.counted


def _rows(sequence: Sequence, lost: np.ndarray, frames: int | None) -> np.ndarray:
    rows = np.flatnonzero(sequence.counted & ~lost)
    if not len(rows):
        rows = np.flatnonzero(sequence.counted if sequence.counted.any() else np.ones(len(sequence), dtype=bool))
    return rows if frames is None else rows[_evenly(len(rows), frames)]


@lru_cache(maxsize=1000)
def _evenly(count: int, frames: int) -> np.ndarray:
    """Evenly spaced places ``[frames]`` among ``count``; kept, as sequences of a data set have few lengths."""
    return np.linspace(0, count - 1, frames).round().astype(int)


def _measured(
    sequences: abc.Sequence[Sequence], rows: list[np.ndarray], lost: list[int], skeleton: Skeleton
) -> list[View]:
    """Views of sequences at as many rows of each: ``[S, K]``."""
    pairs = list(zip(sequences, rows, strict=True))
    pose_2d = np.stack([sequence.pose_2d[places] for sequence, places in pairs]).astype(np.float64)
    root = np.stack([sequence.trajectory[places] for sequence, places in pairs]).astype(np.float64)
    seen = np.stack([sequence.pose_3d[places] for sequence, places in pairs]) + root[:, :, None]
    intrinsics = np.stack([sequence.intrinsics for sequence in sequences]).astype(np.float64)
    edge = np.array([[1, sequence.height / sequence.width] for sequence in sequences])
    with np.errstate(divide="ignore", invalid="ignore"):  # of joints at depth 0, which are said to be
        exact = project(seen, intrinsics, clamped=False)
    offset = (pose_2d - exact).reshape(len(pairs), -1, 2)  # [S, K·J, 2]
    misplaced = (np.linalg.norm(offset, axis=-1) / 2).astype(np.float32)
    middle = np.median(misplaced, axis=1)
    shift = np.linalg.norm(np.median(offset, axis=1), axis=-1) / 2
    outside = (np.abs(pose_2d) > edge[:, None, None]).any(axis=-1).mean(axis=(1, 2))
    distance = np.linalg.norm(root, axis=-1)
    slopes = _slopes(pose_2d.reshape(len(pairs), -1, 2), exact.reshape(len(pairs), -1, 2))
    agree, tell = _agreement(pose_2d, exact, skeleton)
    ends = head_and_feet(skeleton)
    above = None if ends is None else seen[:, :, ends[0], 1] < seen[:, :, list(ends[1]), 1].mean(axis=-1)
    return [
        View(
            sequence=sequence,
            lost=lost[place],
            outside=float(outside[place]),
            misplaced=misplaced[place],
            middle=float(middle[place]),
            shift=float(shift[place]),
            slopes=(float(slopes[place, 0]), float(slopes[place, 1])),
            depth=float(seen[place, ..., 2].min()),
            distance=(float(distance[place].min()), float(distance[place].max())),
            sides=(int(agree[place]), int(tell[place])),
            upright=None if above is None else float(above[place].mean()),
        )
        for place, sequence in enumerate(sequences)
    ]


def _slopes(given: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Least-squares slopes ``[S, 2]`` of ``[S, N, 2]`` on the true ones; 0 below a correlation of ``FITS``."""
    one, other = given - given.mean(axis=1, keepdims=True), true - true.mean(axis=1, keepdims=True)
    common, spread = (one * other).sum(axis=1), np.square(other).sum(axis=1)
    scale = np.sqrt(np.square(one).sum(axis=1) * spread)
    return np.where(np.abs(common) > FITS * scale, common / np.maximum(spread, 1e-12), 0.0)


def _agreement(given: np.ndarray, true: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """``[S]`` frames in which left lies on the same side of right in both, and in which that can be told."""
    left, right = list(skeleton.left), list(skeleton.right)
    if not left:
        return np.zeros(len(given), dtype=int), np.zeros(len(given), dtype=int)
    one, other = ((points[:, :, left] - points[:, :, right]).mean(axis=2) for points in (given, true))
    tells = np.linalg.norm(other, axis=-1) > APART
    return (((one * other).sum(-1) > 0) & tells).sum(axis=1), tells.sum(axis=1)


def findings(views: abc.Sequence[View]) -> list[Finding]:
    """What all checks of views found; what explains others goes before them."""
    return [check(views) for check in (_detections, _depths, _upright, _images, _projections, _shifts, _sides)]


def _detections(views: abc.Sequence[View]) -> Finding:
    frames, every = sum(view.lost for view in views), sum(len(view.sequence) for view in views)
    if not frames:
        return Finding("detections: no frame whose joints are all in one place")
    lost = Counter(
        f"{view.sequence.take} {_ranges(lost_frames(view.sequence))}" for view in views if view.lost
    )  # often the same in all cameras
    where = [f"{what} in {cameras} camera{'s' * (cameras > 1)}" for what, cameras in lost.items()]
    text = (
        f"detections: all joints are in one place, as where nobody was detected, in {frames:,} frames of "
        f"{every:,}: {some_of(where)}"
    )
    return Finding(text, wrong=frames > LOST * every, doubtful=True)


def _images(views: abc.Sequence[View]) -> Finding:
    outside = float(np.mean([view.outside for view in views]))
    worst = max(views, key=lambda view: view.outside)
    text = f"images: {outside:.2%} of 2D joints outside, at most {worst.outside:.2%} (in {worst.sequence.key})"
    return Finding(text, odd=outside >= OUTSIDE)


def _projections(views: abc.Sequence[View]) -> Finding:
    pixels = np.concatenate([view.misplaced * view.sequence.width for view in views])
    middle, most = np.percentile(pixels, [50, 95])
    medians = np.array([view.middle for view in views])
    place = int(np.argmax(medians))  # which takes NaN for the greatest
    text = (
        f"projection: 2D poses {middle:.2f} px (median), {most:.2f} px (95 %) from the projected 3D poses; "
        f"{medians[place]:.2%} of the image's width in {views[place].sequence.key}"
    )
    fine = medians < MISPLACED_SEQUENCE
    wrong = not middle < MISPLACED * views[0].sequence.width or float(np.mean(~fine)) > FEW
    return Finding(text + (_hint(views) if wrong else ""), wrong=wrong, odd=not fine.all())


def _hint(views: abc.Sequence[View]) -> str:
    """What may have happened to 2D poses that do not lie on their projections."""
    if not all(np.isfinite(view.misplaced).all() for view in views):
        return "; a coordinate is NaN or infinite"
    agree, tell = (sum(view.sides[place] for view in views) for place in (0, 1))
    across, down = np.median([view.slopes for view in views], axis=0)
    if across > 0 > down:
        return "; y seems to point upwards"
    if across > 0 and down > 0 and not 0.9 < across < 1.1:
        return f"; they seem {across:.2g} times as large as these: pixels of another image size, or no pixels"
    if agree < 0.2 * tell and np.median([view.shift for view in views]) < MISPLACED:  # other cameras shift all
        return "; left and right seem to be exchanged"
    return "; joints in another order, or other cameras, takes or frames"


def _shifts(views: abc.Sequence[View]) -> Finding:
    limits = _usual_shifts(views)
    far = [view for view in views if view.shift > limits[view.sequence.subject]]
    worst = max(views, key=lambda view: view.shift)
    text = f"shift: at most {worst.shift:.2%} of the image's width common to all 2D joints ({worst.sequence.key})"
    if not far:
        return Finding(text)
    takes = list(dict.fromkeys(view.sequence.take for view in far))
    return Finding(
        f"{text}; {SHIFTED:.1%} or more, or far more than is usual for the subject, in takes {some_of(takes)}: "
        "their 3D or their 2D poses lie beside the truth; data.leave_out leaves them out",
        doubtful=True,
    )


def _usual_shifts(views: abc.Sequence[View]) -> dict[str, float]:
    """Greatest shift that is usual for each subject; damaged takes do not move medians."""
    shifts: dict[str, list[float]] = defaultdict(list)
    for view in views:
        shifts[view.sequence.subject].append(view.shift)
    limits = {}
    for subject, values in shifts.items():
        middle = np.median(values)
        deviation = 1.4826 * np.median(np.abs(np.array(values) - middle))  # the standard one of normal values
        limits[subject] = float(np.clip(middle + UNUSUAL * deviation, USUAL_SHIFT, SHIFTED))
    return limits


def _upright(views: abc.Sequence[View]) -> Finding:
    shares = {view.sequence.key: view.upright for view in views if view.upright is not None}
    if not shares:
        return Finding("upright: the skeleton does not end in a head and two feet, so that it was not checked")
    least = min(shares, key=lambda key: shares[key])
    upright = float(np.mean(list(shares.values())))
    text = f"upright: the head is above the feet in {upright:.1%} of the frames, {shares[least]:.1%} in {least}"
    if upright < HEAD_DOWN:
        return Finding(f"{text}; y seems to point upwards, in 2D and in 3D", wrong=True)
    return Finding(text)


def _depths(views: abc.Sequence[View]) -> Finding:
    nearest, farthest = min(views, key=lambda view: view.depth), max(views, key=lambda view: view.distance[1])
    least, most = min(view.distance[0] for view in views), max(view.distance[1] for view in views)
    fine = nearest.depth > 0 and DISTANCE[0] < least and most < DISTANCE[1]
    unit = f"; are the 3D poses of {farthest.sequence.key} in metres?" if most > DISTANCE[1] else ""
    text = (
        f"cameras: root {least:.2f} to {most:.2f} m away, every joint at least {nearest.depth:.2f} m ahead "
        f"({nearest.sequence.key})"
    )
    return Finding(text + unit, wrong=not fine)


def _sides(views: abc.Sequence[View]) -> Finding:
    agree, tell = (sum(view.sides[place] for view in views) for place in (0, 1))
    whole = share(agree, tell)
    shares = [share(*view.sides) if view.sides[1] >= TELLING else 1.0 for view in views]
    place = int(np.argmin(shares))
    against = float(np.mean(np.array(shares) <= 0.5))
    text = (
        f"sides: left and right of 2D agree with 3D in {whole:.2%} of the frames that tell, "
        f"{shares[place]:.1%} in {views[place].sequence.key}"
    )
    return Finding(text, wrong=whole <= CONFUSED or against > FEW, odd=whole <= AGREEING or against > 0)


def share(hits: int, tries: int) -> float:
    """1 where there is nothing to judge."""
    return hits / tries if tries else 1.0


def _ranges(chosen: np.ndarray) -> str:
    """Frames of a ``[T]`` mask in words: "frame 3", "frames 3-7, 12"; of many the first ranges."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(np.int8), [0]])))
    ranges = [f"{a}" if b - a == 1 else f"{a}-{b - 1}" for a, b in edges.reshape(-1, 2)]
    return f"frame{'s' * int(chosen.sum() > 1)} {some_of(ranges, most=3)}"
