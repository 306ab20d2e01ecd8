"""What reports are told of own footage: poses to show, and measures that need no ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Compared:
    """What is measured of one method without ground truth.

    Attributes:
        name: of the method.
        sampling: H, K and aggregation, where they mean something.
        ms_per_frame: median time of one window at batch 1 with its aggregation, by its frames.
        memory_mb: of its weights, and what such a call adds to the memory that was there before.
        reprojection: pixels, mean distance of the projected joints from the key points, camera and root fitted.
        spread: mm, root mean square distance of the hypotheses from their mean; None of a deterministic method.
        jitter: m/s², mean acceleration of the joints relative to the root.
        bones: %, standard deviation of a bone's length over the video by its mean, mean over bones.
        symmetry: %, difference of left and right bones by their length, mean over bones and frames.
        focal: pixels, as fitted or given.
    """

    name: str
    sampling: str
    ms_per_frame: float
    memory_mb: float
    reprojection: float
    spread: float | None
    jitter: float
    bones: float
    symmetry: float
    focal: float


@dataclass(frozen=True)
class ShownPoses:
    """Poses of one method in the frames of a video that are shown. N frames, J joints.

    Attributes:
        source: name of the file of key points.
        method, weights: what made them, in words.
        length: frames of the whole video.
        fps: shown frames per second.
        frames: ``[N]`` their numbers.
        screen: ``[N, J, 2]`` key points in screen units.
        poses: ``[N, J, 3]`` metres, camera axes, relative to the root.
    """

    source: str
    method: str
    weights: str
    length: int
    fps: float
    frames: np.ndarray
    screen: np.ndarray
    poses: np.ndarray
