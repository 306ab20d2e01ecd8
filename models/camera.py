"""From camera space to the screen: the lens model of the field's Human3.6M code."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def project(points: Array, intrinsics: Array) -> Array:
    """Project camera-space points with the full lens model of the field's Human3.6M code.

    With u = (x/z, y/z) clamped to ±1 and r2 = u·u: f (u (1 + k1 r2 + k2 r2² + k3 r2³ + p·u) + p r2) + c. The
    tangential part differs from OpenCV's. Takes NumPy arrays and torch tensors, through which gradients flow.

    Args:
        points: ``[..., 3]`` metres, camera axes.
        intrinsics: ``[9]``, or ``[B, 9]`` for points ``[B, ..., 3]``; fx fy cx cy k1 k2 k3 p1 p2.

    Returns:
        ``[..., 2]`` in the units of ``intrinsics``: screen coordinates, if those are normalised.
    """
    camera = aligned(intrinsics, points)
    focal, centre, tangential = camera[..., 0:2], camera[..., 2:4], camera[..., 7:9]
    u = (points[..., :2] / points[..., 2:]).clip(-1, 1)
    x, y = u[..., :1], u[..., 1:]
    r2 = x * x + y * y
    radial = 1 + r2 * (camera[..., 4:5] + r2 * (camera[..., 5:6] + r2 * camera[..., 6:7]))
    tangent = tangential[..., :1] * x + tangential[..., 1:] * y
    return focal * (u * (radial + tangent) + tangential * r2) + centre


def aligned(intrinsics: Array, points: Array) -> Array:
    """``[9]`` or ``[B, 9]`` with axes inserted so that it broadcasts against points ``[B, ..., 3]``."""
    while 1 < intrinsics.ndim < points.ndim:
        intrinsics = intrinsics[..., None, :]  # [B, 9] → [B, 1, …, 1, 9]
    return intrinsics
