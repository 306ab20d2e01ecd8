"""From camera space to the screen: the lens model of the field's Human3.6M code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def project(points: Array, intrinsics: Array, clamped: bool = True) -> Array:
    """Project camera-space points with the full lens model of the field's Human3.6M code.

    With u = (x/z, y/z) and r2 = u·u: f (u (1 + k1 r2 + k2 r2² + k3 r2³ + p·u) + p r2) + c. The tangential part
    differs from OpenCV's. Takes NumPy arrays and torch tensors, through which gradients flow.

    Args:
        points: ``[..., 3]`` metres, camera axes.
        intrinsics: ``[9]``, or ``[B, 9]`` for points ``[B, ..., 3]``; fx fy cx cy k1 k2 k3 p1 p2.
        clamped: hold u to ±1, 45° off the axis, as the published reprojection does. A wide camera sees farther.

    Returns:
        ``[..., 2]`` in the units of ``intrinsics``: screen coordinates, if those are normalised.
    """
    stack: Callable[..., Any] = torch.stack if isinstance(points, Tensor) else np.stack
    return stack(project_apart(points, intrinsics, clamped), -1)


def project_apart(points: Array, intrinsics: Array, clamped: bool = True) -> tuple[Array, Array]:
    """The two coordinates of ``project``, ``[...]`` each: for many points faster than pairs of them."""
    camera = aligned(intrinsics, points)
    k1, k2, k3, p1, p2 = (camera[..., number] for number in range(4, 9))
    x, y = (points[..., axis] / points[..., 2] for axis in (0, 1))
    if clamped:
        x, y = x.clip(-1, 1), y.clip(-1, 1)
    r2 = x * x + y * y
    factor = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)) + (p1 * x + p2 * y)
    across = camera[..., 0] * (x * factor + p1 * r2) + camera[..., 2]
    return across, camera[..., 1] * (y * factor + p2 * r2) + camera[..., 3]


def aligned(intrinsics: Array, points: Array) -> Array:
    """``[9]`` or ``[B, 9]`` with axes inserted so that it broadcasts against points ``[B, ..., 3]``."""
    while 1 < intrinsics.ndim < points.ndim:
        intrinsics = intrinsics[..., None, :]  # [B, 9] → [B, 1, …, 1, 9]
    return intrinsics
