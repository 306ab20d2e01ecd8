"""Procrustes alignment of poses: the similarity that brings a prediction closest to its target."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LAGUERRE_STEPS = 4
WELL_CONDITIONED = 1e-3
CONVERGED = 1e-5
COINCIDENT = 1e-20


def align(pred: Tensor, target: Tensor) -> Tensor:
    """Move every predicted pose by its best similarity: scale, rotation without reflection, shift.

    Minimises the squared joint distances of each pose on its own, in float64. Poses for which the best rotation
    is not unique get one of the best. Joints that all coincide carry neither size nor direction: such a
    prediction lands on the centroid of its target. A pose with a value that is not finite becomes NaN, and so
    does one whose target has such a value.

    Source: the minimum is Umeyama (1991), eq. 40-42; the rotation is computed in closed form by Markley's fast
    optimal attitude matrix (J. Astronaut. Sci. 41, 1993) and, where that is ill-conditioned, by the singular
    value decomposition.

    Args:
        pred: ``[..., J, 3]``.
        target: ``[..., J, 3]`` in the same unit; leading axes broadcast against those of ``pred``.

    Returns:
        The aligned prediction, ``[..., J, 3]`` with the broadcast leading axes, in the type of ``pred``.
    """
    pred, target = torch.broadcast_tensors(pred, target)
    poses = pred.reshape(-1, *pred.shape[-2:])
    x = poses.permute(1, 2, 0).contiguous()
    y = target.reshape(poses.shape).permute(1, 2, 0)
    linear, shift = _similarity(x, y.contiguous())
    aligned = _row_times(x, linear.to(x.dtype)).add_(shift.to(x.dtype))
    return aligned.permute(2, 0, 1).view(pred.shape)


def _similarity(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Scaled rotation A ``[3, 3, N]`` and shift s ``[3, N]`` that bring x to y as x A + s.

    Args:
        x, y: ``[J, 3, N]``. The long axis is the last one here and below, which is what makes it fast.
    """
    mean_x, mean_y = x.mean(0, dtype=torch.float64), y.mean(0, dtype=torch.float64)
    covariance = mean_x.new_zeros(3, *mean_y.shape)
    spread = torch.zeros_like(mean_x)
    for joint_x, joint_y in zip(x, y, strict=True):
        centred = joint_x - mean_x
        spread.addcmul_(centred, centred)
        covariance.addcmul_(centred[:, None], joint_y - mean_y)
    spread, offset = spread.sum(0), (mean_x * mean_x).sum(0)

    rotation, trace = _best_rotation(covariance)
    scale = torch.where(spread > COINCIDENT * offset, trace / spread, 0 * trace)
    linear = rotation.mul_(scale)
    return linear, mean_y - _row_times(mean_x[None], linear)[0]


def _row_times(rows: Tensor, matrices: Tensor) -> Tensor:
    """Products ``[R, 3, N]`` of rows ``[R, 3, N]`` and matrices ``[3, 3, N]``."""
    product = rows[:, 0, None] * matrices[0]
    return product.addcmul_(rows[:, 1, None], matrices[1]).addcmul_(rows[:, 2, None], matrices[2])


def _best_rotation(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation R that maximises trace(Rᵀ C), and that maximum.

    Args:
        covariance: C, ``[3, 3, N]`` float64.

    Returns:
        ``[3, 3, N]`` and ``[N]``; NaN where C is not finite.
    """
    size = covariance.square().sum((0, 1)).sqrt_()
    b = covariance / size
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
    rotation.sub_(_row_times(_row_times(b, b.transpose(0, 1)), b)).div_(zeta)

    unreliable = size.isfinite() & ~((zeta > WELL_CONDITIONED) & converged)
    left = unreliable.nonzero().squeeze(1)
    if len(left):
        exact_rotation, exact_trace = _rotation_by_svd(covariance[:, :, left].permute(2, 0, 1))
        rotation[:, :, left] = exact_rotation.permute(1, 2, 0)
        trace[left] = exact_trace
        size[left] = 1
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
