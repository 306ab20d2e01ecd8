"""The camera of a video that nobody calibrated: where the person stands, and how well poses fit the image.

Shapes: T frames, J joints.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch

from bench.data.cameras.camera import project
from bench.footage.keypoints import KeyPoints, in_parts, screen_points
from bench.protocol.aggregation import fitted_root

FOCALS = np.geomspace(0.8, 8.0, 41)
"""Focal lengths that are tried, in screen units (half the image's width): views of 103 to 14 degrees."""

USUAL_FOCAL = 2.29  # of Human3.6M's cameras, in screen units

TELLING, TELLING_LEAST = 0.01, 1e-4
"""Share, and screen units, by which poses must fit better than with the longest focal length that is tried."""

FITTED_FRAMES = 500  # that the focal length is found from


class FittedCamera(NamedTuple):
    """A camera whose principal point is the middle of the image.

    Attributes:
        focal: in screen units.
        known_from: the user ("given"), the poses ("fitted"), or Human3.6M's cameras ("assumed").
    """

    focal: float
    known_from: Literal["given", "fitted", "assumed"]

    @property
    def intrinsics(self) -> np.ndarray:
        """``[9]`` float32 as ``bench.data.cameras.camera.project`` takes them."""
        return np.array([self.focal, self.focal, 0, 0, 0, 0, 0, 0, 0], dtype=np.float32)

    def described(self, width: int) -> str:
        """The focal length in words."""
        how = {
            "given": "given",
            "fitted": "fitted to the poses, so distances are uncertain",
            "assumed": "that of Human3.6M, as the poses fit none best, so distances are uncertain",
        }[self.known_from]
        return f"focal length {self.focal * width / 2:,.0f} pixels, {how}"


def fit_camera(poses: np.ndarray, points: KeyPoints, focal: float | None) -> FittedCamera:
    """The focal length at which poses ``[T, J, 3]`` fit the key points best, or the given one, in screen units.

    Poses that fit a camera from far away about as well tell nothing of it; the usual one is then assumed.
    """
    if focal is not None:
        return FittedCamera(focal, "given")
    frames = np.flatnonzero(points.lifted)
    some = frames[np.linspace(0, len(frames) - 1, min(len(frames), FITTED_FRAMES)).astype(int)]
    seen, shown = poses[some], screen_points(points, some)
    cameras = [FittedCamera(tried, "fitted") for tried in FOCALS.tolist()]
    errors = np.array([np.median(_misplaced(seen, shown, camera)) for camera in cameras])
    best = int(errors.argmin())
    tells = errors[-1] > (1 + TELLING) * errors[best] + TELLING_LEAST
    return cameras[best] if best > 0 and tells else FittedCamera(USUAL_FOCAL, "assumed")


def trajectory(poses: np.ndarray, points: KeyPoints, camera: FittedCamera) -> np.ndarray:
    """``[T, 3]`` float32 metres: where the root stands before the camera; NaN in frames without a pose."""
    roots = np.empty((len(poses), 3), dtype=np.float32)
    for part in in_parts(0, len(poses)):
        roots[part] = _root(poses[part], screen_points(points, part), camera)
    return roots


def reprojection_errors(poses: np.ndarray, points: KeyPoints, camera: FittedCamera) -> np.ndarray:
    """``[T]`` mean distance of projected joints from the key points in pixels, each frame at its best root."""
    errors = np.empty(len(poses))
    for part in in_parts(0, len(poses)):
        errors[part] = _misplaced(poses[part], screen_points(points, part), camera)
    return errors * points.width / 2


def _misplaced(poses: np.ndarray, screen: np.ndarray, camera: FittedCamera) -> np.ndarray:
    """``[T]`` mean distance of projected joints from 2D joints, in screen units."""
    seen = poses + _root(poses, screen, camera)[:, None]
    exact = project(seen.astype(np.float64), camera.intrinsics.astype(np.float64), clamped=False)
    offset = exact - screen
    return np.linalg.norm(offset, axis=-1).mean(axis=-1)


def _root(poses: np.ndarray, screen: np.ndarray, camera: FittedCamera) -> np.ndarray:
    """``[T, 3]`` of poses ``[T, J, 3]`` and 2D joints ``[T, J, 2]``."""
    pose, shown = torch.from_numpy(np.array(poses)), torch.from_numpy(np.array(screen))
    intrinsics = torch.from_numpy(camera.intrinsics)
    return fitted_root(pose[None, None], shown[None], intrinsics[None])[0, 0].numpy()
