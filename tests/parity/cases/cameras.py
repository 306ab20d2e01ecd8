"""Golden cases of camera and quaternion functions."""

from __future__ import annotations

from bench.data import cameras
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
        "out_camera_to_world": cameras.camera_to_world(seen, orientation, position),
        "out_qrot": cameras.rotate(vectors.array("qs"), vectors.array("vs")),
        "out_qinverse": cameras.inverse(vectors.array("qs")),
        "out_project": cameras.project(points, intrinsics),
        "out_project_linear": cameras.project_linear(points, intrinsics),
        "out_normalized": screen,
        "out_image": cameras.image_coordinates(screen, *size),
    }


LIMITS = ((r"out_image", Limit(1e-3)), (r".*", Limit(1e-5)))
CASES = {"camera and quaternion functions": Case(camera, LIMITS)}
