"""Golden cases of camera and quaternion functions."""

from __future__ import annotations

import numpy as np

from bench.data.cameras import camera as cameras
from models.camera import Array, aligned
from tests.parity.vectors import Case, Limit, Outputs, Vectors


def camera(vectors: Vectors) -> Outputs:
    """Rigid motion, projection with and without distortion, and the two units of the image."""
    orientation, position, world = (vectors.array(name) for name in ("q", "t", "world"))
    seen = cameras.world_to_camera(world, orientation, position)
    intrinsics, points = vectors.array("camera"), vectors.array("points")
    size = vectors.config["width"], vectors.config["height"]
    screen = cameras.normalise(vectors.array("pixels"), *size)
    return {
        "out_world_to_camera": seen,
        "out_camera_to_world": camera_to_world(seen, orientation, position),
        "out_qrot": cameras.rotate(vectors.array("qs"), vectors.array("vs")),
        "out_qinverse": inverse(vectors.array("qs")),
        "out_project": cameras.project(points, intrinsics),
        "out_project_linear": project_linear(points, intrinsics),
        "out_normalized": screen,
        "out_image": cameras.image_coordinates(screen, *size),
    }


def inverse(quaternion: np.ndarray) -> np.ndarray:
    """Inverse of unit quaternions ``[..., 4]`` (w x y z)."""
    return quaternion * np.array([1, -1, -1, -1], dtype=quaternion.dtype)


def camera_to_world(points: np.ndarray, orientation: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Inverse of ``world_to_camera``: camera-space points ``[..., 3]`` in world axes."""
    axes = cameras.rotate(orientation.astype(np.float64), np.eye(3))
    return (points @ axes + position).astype(points.dtype)


def project_linear(points: Array, intrinsics: Array) -> Array:
    """``project`` without lens distortion; same arguments and result."""
    camera = aligned(intrinsics, points)
    return camera[..., 0:2] * (points[..., :2] / points[..., 2:]).clip(-1, 1) + camera[..., 2:4]


LIMITS = ((r"out_image", Limit(1e-3)), (r".*", Limit(1e-5)))
CASES = {"camera and quaternion functions": Case(camera, LIMITS)}
