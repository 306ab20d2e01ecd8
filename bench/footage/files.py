"""What is written of a prediction: arrays, CSV, and BVH.

Shapes: T frames, J joints.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.footage.bvh import write_bvh
from bench.footage.keypoints import KeyPoints, in_parts, screen_points
from bench.results.files import atomic
from bench.results.footage import ShownPoses
from models.skeleton import HUMAN36M

MOST_SHOWN, SHOWN_FPS = 1_000, 25.0  # frames that a page shows, and about how many of them are one second


@dataclass(frozen=True)
class Prediction:
    """Poses of one person in a video.

    Attributes:
        poses: ``[T, J, 3]`` metres, camera axes, relative to the root; NaN in frames that have none.
        spread: ``[T, J]`` metres, root mean square distance of the hypotheses from their mean.
        roots: ``[T, 3]`` metres, the root before the camera.
        description: how they were made: weights, H, K, aggregation, camera, and sentences.
    """

    points: KeyPoints
    poses: np.ndarray
    spread: np.ndarray
    roots: np.ndarray
    method: str
    description: Mapping[str, Any]


def shown_poses(prediction: Prediction) -> ShownPoses:
    """Some frames with poses, for pages."""
    points = prediction.points
    every = max(1, round(points.fps / SHOWN_FPS))
    frames = np.flatnonzero(points.lifted)[::every][:MOST_SHOWN]
    return ShownPoses(
        source=Path(points.source).name,
        method=prediction.method,
        weights=str(prediction.description["weights"]),
        length=len(points),
        fps=points.fps / every,
        frames=points.frames[frames],
        screen=screen_points(points, frames),
        poses=np.array(prediction.poses[frames]),
    )


def write_arrays(path: Path, prediction: Prediction) -> None:
    """A ``.npz`` file of everything, which ``predict`` and ``compare-on`` also read as key points.

    Arrays: ``poses``, ``spread``, ``trajectory``; ``keypoints``, ``confidence``, ``frames``, ``filled``,
    ``filled_joints``; ``joints``, ``parents``, ``fps``, ``width``, ``height``, ``layout``; ``description`` (JSON).
    """
    points = prediction.points
    arrays: dict[str, Any] = {
        "poses": prediction.poses,
        "spread": prediction.spread,
        "trajectory": prediction.roots,
        "keypoints": points.points,
        "frames": points.frames,
        "filled": points.filled,
        "filled_joints": points.filled_joints,
        "joints": HUMAN36M.joints,
        "parents": HUMAN36M.parents,
        "fps": points.fps,
        "width": points.width,
        "height": points.height,
        "layout": HUMAN36M.name,
        "description": json.dumps(prediction.description),
    }
    if points.confidence is not None:
        arrays["confidence"] = points.confidence
    with atomic(path) as file:
        np.savez(file, **arrays)


def write_csv(path: Path, prediction: Prediction) -> None:
    """A row for each frame: its number, seconds, whether it was filled, and the place of every joint.

    Places are in millimetres before the camera: x to the right, y down, z away; empty in frames without a pose.
    """
    points = prediction.points
    names = [f"{joint}_{axis}_mm" for joint in HUMAN36M.joints for axis in "xyz"]
    form = ",".join(["%d", "%.4f", "%d", *["%.1f"] * len(names)])
    with atomic(path) as file:
        file.write(",".join(["frame", "seconds", "filled", *names]).encode() + b"\n")
        for part in in_parts(0, len(points)):
            places = 1000 * (prediction.poses[part] + prediction.roots[part, None])
            seconds = (points.frames[part] - points.frames[0]) / points.fps
            flat = places.reshape(len(places), -1)
            rows = np.column_stack([points.frames[part], seconds, points.filled[part], flat])
            text = io.BytesIO()
            np.savetxt(text, rows, form)
            file.write(text.getvalue().replace(b"nan", b""))


def write_motion(path: Path, prediction: Prediction) -> list[Path]:
    """A BVH file for each run of frames with poses: ``NAME.bvh``, or ``NAME-1.bvh``, ``NAME-2.bvh``, …"""
    pieces = prediction.points.pieces
    written = []
    for number, (first, end) in enumerate(pieces, 1):
        place = path if len(pieces) == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        write_bvh(place, prediction.poses[first:end], prediction.roots[first:end], prediction.points.fps)
        written.append(place)
    return written
