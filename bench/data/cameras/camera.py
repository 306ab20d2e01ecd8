"""Pinhole cameras with lens distortion: world to camera, camera to image, pixels to screen coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.camera import Array, aligned, project

UNDISTORT_ITERATIONS = 8


@dataclass(frozen=True)
class Camera:
    """One calibrated camera.

    Attributes:
        width, height: of its image in pixels.
        focal, centre: (x, y) in pixels.
        radial, tangential: distortion k1 k2 k3 and p1 p2.
        orientation: unit quaternion w x y z that rotates camera axes to world axes.
        position: metres, world.
    """

    name: str
    width: int
    height: int
    focal: tuple[float, float]
    centre: tuple[float, float]
    radial: tuple[float, float, float]
    tangential: tuple[float, float]
    orientation: tuple[float, float, float, float]
    position: tuple[float, float, float]

    @property
    def intrinsics(self) -> np.ndarray:
        """``[9]`` float32 fx fy cx cy k1 k2 k3 p1 p2 in screen coordinates, as ``project`` takes them."""
        focal = np.asarray(self.focal) * 2 / self.width
        centre = normalise(np.asarray(self.centre), self.width, self.height)
        return np.concatenate([focal, centre, self.radial, self.tangential]).astype(np.float32)

    def from_world(self, points: np.ndarray) -> np.ndarray:
        """World points ``[..., 3]`` in metres, seen from this camera."""
        return world_to_camera(points, np.asarray(self.orientation), np.asarray(self.position))

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Camera-space points ``[..., 3]`` in metres as pixels ``[..., 2]``, full lens model, at any angle."""
        return image_coordinates(project(points, self.intrinsics, clamped=False), self.width, self.height)


def rotate(quaternion: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Rotate vectors ``[..., 3]`` by unit quaternions ``[..., 4]`` (w x y z); leading axes broadcast."""
    axis = quaternion[..., 1:]
    crossed = np.cross(axis, vectors)
    return vectors + 2 * (quaternion[..., :1] * crossed + np.cross(axis, crossed))


def world_to_camera(points: np.ndarray, orientation: np.ndarray, position: np.ndarray) -> np.ndarray:
    """World points ``[..., 3]`` in camera axes; ``orientation`` ``[4]`` rotates camera axes to world axes.

    The result has the type of ``points``, or float32 where these are whole numbers.
    """
    return ((points - position) @ _axes(tuple(orientation.tolist()))).astype(_float_type(points))


@lru_cache(maxsize=1000)
def _axes(orientation: tuple[float, ...]) -> np.ndarray:
    """World axes as columns in a camera's; a data set asks for those of its few cameras thousands of times."""
    return rotate(np.array(orientation), np.eye(3)).T


def viewing_rays(screen: Array, intrinsics: Array) -> Array:
    """Inverse of ``project`` up to depth: (x/z, y/z) of what is seen at a place on the screen.

    The lens model is inverted by fixed-point iteration, to about 1e-6 for the distortion of common lenses.

    Args:
        screen: ``[..., 2]`` normalised screen coordinates.
        intrinsics: ``[9]``, or ``[B, 9]`` for ``[B, ..., 2]``.

    Returns:
        ``[..., 2]``.
    """
    camera = aligned(intrinsics, screen)
    focal, tangential = camera[..., 0:2], camera[..., 7:9]
    linear = (screen - camera[..., 2:4]) / focal
    u = linear
    for _ in range(UNDISTORT_ITERATIONS):
        x, y = u[..., :1], u[..., 1:]
        r2 = x * x + y * y
        radial = 1 + r2 * (camera[..., 4:5] + r2 * (camera[..., 5:6] + r2 * camera[..., 6:7]))
        tangent = tangential[..., :1] * x + tangential[..., 1:] * y
        u = (linear - tangential * r2) / (radial + tangent)
    return u


def normalise(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixels ``[..., 2]`` to screen coordinates: x from -1 to 1 over the width, y in the same unit.

    The result has the type of ``pixels``, or float32 where these are whole numbers.
    """
    return (pixels * (2 / width) - np.array([1, height / width])).astype(_float_type(pixels))


def image_coordinates(screen: np.ndarray, width: int, height: int) -> np.ndarray:
    """Inverse of ``normalise``."""
    return ((screen + np.array([1, height / width])) * (width / 2)).astype(_float_type(screen))


def _float_type(array: np.ndarray) -> np.dtype:
    """The type of what is computed from an array: whole numbers cannot hold it."""
    return array.dtype if array.dtype.kind == "f" else np.dtype(np.float32)
