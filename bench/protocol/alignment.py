"""Procrustes alignment of poses: the similarity that brings a prediction closest to its target."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LAGUERRE_STEPS = 4
WELL_CONDITIONED = 1e-3
CONVERGED = 1e-5
COINCIDENT = {torch.float32: 1e-12, torch.float64: 1e-20}
"""Joints whose mean squared spread is less than this part of their squared distance from 0 are one point."""


def joints_first(poses: Tensor, buffer: Tensor | None = None) -> Tensor:
    """A copy of poses ``[N, J, 3]`` as ``[J, 3, N]``; the long axis last is what makes what follows fast.

    ``buffer``: memory for the copy, at least as many numbers.
    """
    N, J, _ = poses.shape
    buffer = poses.new_empty(poses.numel()) if buffer is None else buffer[: poses.numel()]
    return buffer.view(3 * J, N).copy_(poses.reshape(N, 3 * J).t()).view(J, 3, N)


def similarity(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Scaled rotation A ``[3, 3, N]`` that brings x to y, both about their centroids, and the centroid of y.

    It minimises the squared joint distances of each pose on its own: scale and rotation without reflection, the
    rotation in float64. Poses for which the best rotation is not unique get one of the best. Joints that all
    coincide carry neither size nor direction: such a prediction lands on the centroid of its target. A pose with a
    value that is not finite becomes NaN, and so does one whose target has such a value.

    Source: the minimum is Umeyama (1991), eq. 40-42; the rotation is computed in closed form by Markley's fast
    optimal attitude matrix (J. Astronaut. Sci. 41, 1993) and, where that is ill-conditioned, by the singular
    value decomposition.

    Args:
        x, y: ``[J, 3, N]``; changed in place to be relative to their centroids.

    Returns:
        A and ``[3, N]``, in the type of x: x A + centroid is nearest to what y was.
    """
    offset, goal = (_centre(points) for points in (x, y))
    covariance, spread = x.new_zeros(3, *x.shape[1:]), torch.zeros_like(x[0])
    for joint_x, joint_y in zip(x, y, strict=True):
        spread.addcmul_(joint_x, joint_x)
        covariance.addcmul_(joint_x[:, None], joint_y)
    size = spread.sum(0, dtype=torch.float64)
    rotation, trace = _best_rotation(covariance.double())
    apart = size > COINCIDENT[x.dtype] * offset.square().sum(0)
    return rotation.mul_(torch.where(apart, trace / size, 0 * trace)).to(x.dtype), goal


def _centre(points: Tensor) -> Tensor:
    """Move points ``[J, 3, N]`` to their centroids in place; the centroids ``[3, N]``.

    Joint after joint: torch's own sum takes them in an order that depends on the place of a pose among the others.
    """
    total = points[0].clone()
    for joint in points[1:]:
        total += joint
    mean = total.div_(len(points))
    points.sub_(mean)
    return mean


def row_times(rows: Tensor, matrices: Tensor, buffer: Tensor | None = None) -> Tensor:
    """Products ``[R, 3, N]`` of rows ``[R, 3, N]`` and matrices ``[3, 3, N]``, in ``buffer`` if that is given."""
    product = torch.mul(rows[:, 0, None], matrices[0], out=buffer)
    return product.addcmul_(rows[:, 1, None], matrices[1]).addcmul_(rows[:, 2, None], matrices[2])


def _best_rotation(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation R that maximises trace(Rᵀ C), and that maximum.

    Args:
        covariance: C, ``[3, 3, N]`` float64; overwritten.

    Returns:
        ``[3, 3, N]`` and ``[N]``; NaN where C is not finite.
    """
    size = covariance.square().sum((0, 1)).sqrt_()
    b = covariance.div_(size.clamp(min=torch.finfo(size.dtype).tiny))
    wrapped = torch.cat([b, b[:, :2]], dim=1)
    cofactor = torch.empty_like(b)
    for i in range(3):
        one, other, row = wrapped[i - 2], wrapped[i - 1], cofactor[i]
        torch.mul(one[1:4], other[2:5], out=row)
        row.addcmul_(one[2:5], other[1:4], value=-1)
    determinant = (b[0] * cofactor[0]).sum(0)
    trace, zeta, converged = _largest_root(determinant, cofactor.square().sum((0, 1)))

    # R = ((1 + (t² - 1) / 2) B + t adj(Bᵀ) - B Bᵀ B) / zeta
    rotation = b * ((trace * trace + 1) / 2)
    rotation.addcmul_(cofactor, trace)
    square = row_times(b, b.transpose(0, 1), buffer=wrapped[:, :3])
    rotation.sub_(row_times(square, b, buffer=cofactor)).div_(zeta)

    unreliable = size.isfinite() & ~((zeta > WELL_CONDITIONED) & converged)
    left = unreliable.nonzero().squeeze(1)
    if len(left):
        exact_rotation, exact_trace = _rotation_by_svd(b[:, :, left].permute(2, 0, 1))
        rotation[:, :, left] = exact_rotation.permute(1, 2, 0)
        trace[left] = exact_trace
    return rotation, trace.mul_(size)


def _largest_root(determinant: Tensor, cofactor_norm2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Largest root t of (t² - 1)² - 8 t det B - 4 |adj B|², by Laguerre's method from an upper bound.

    Returns:
        t, the eighth part of the derivative at t (small where roots meet), and whether the iteration ended.
    """
    constant = 4 * cofactor_norm2
    t = cofactor_norm2.sqrt().mul_(2 * math.sqrt(3)).add_(1).sqrt_()
    step = t
    for _ in range(LAGUERRE_STEPS):
        t2 = t * t
        excess = t2 - 1
        value = (excess * excess).addcmul_(t, determinant, value=-8).sub_(constant)
        slope = (excess * t).sub_(determinant, alpha=2)
        root = (slope * slope).mul_(144).addcmul_(t2.mul_(12).sub_(4), value, value=-12)
        step = value.mul_(4).div_(slope.mul_(4).add_(root.clamp_(min=0).sqrt_()))
        t = t - step
    zeta = torch.addcmul(-determinant, t * t - 1, t, value=0.5)
    return t, zeta, step.abs() < CONVERGED


def _rotation_by_svd(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """``_best_rotation`` for ``[N, 3, 3]``, whatever the rank."""
    u, values, vh = torch.linalg.svd(covariance)
    sign = torch.linalg.det(u) * torch.linalg.det(vh)
    signs = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign.sign()], dim=-1)
    return (u * signs[:, None]) @ vh, (values * signs).sum(-1)
