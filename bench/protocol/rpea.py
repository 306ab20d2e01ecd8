"""RPEA, the weighted aggregation of FMPose3D (CVPR 2026), as published and without ground truth.

Shapes: B windows, K steps, H hypotheses, F frames, J joints.
"""

from __future__ import annotations

from torch import Tensor

from bench.protocol.aggregation import Aggregation, fitted_root, p_agg, reprojection_errors
from bench.results.record import GroundTruth
from models.lifter import Batch

NEAREST = 8  # hypotheses of a joint that count: those whose reprojection is nearest to the 2D input
TEMPERATURE = 0.005  # of their weights, in screen units
LARGEST = 20  # temperatures beyond which a distance counts no less
LEAST_SUM = 1e-10


def weighted(pred: Tensor, root: Tensor, truth: Batch, nearest: int = NEAREST) -> Tensor:
    """Per joint, a mean of the ``nearest`` hypotheses by reprojection, weighted by how near they are.

    Args:
        pred: ``[B, K, H, F, J, 3]`` metres, root-relative.
        root: ``[B, 1 or K, F, 3]`` where the root is.
        truth: ``pose_2d`` and ``camera``.
        nearest: how many hypotheses count; by default as many as in the published test.

    Returns:
        ``[B, K, F, J, 3]``.
    """
    distance = reprojection_errors(pred, root, truth).sqrt()  # [B, K, H, F, J]
    near, which = distance.topk(min(nearest, pred.shape[2]), dim=2, largest=False)
    weights = (-near.clamp(max=LARGEST * TEMPERATURE) / TEMPERATURE).exp()
    weights = weights / weights.sum(2, keepdim=True).clamp(min=LEAST_SUM)
    chosen = pred.gather(2, which[..., None].expand(*which.shape, 3))  # [B, K, H, F, J, 3] → [B, K, 8, F, J, 3]
    return (weights[..., None] * chosen).sum(2)


def rpea(pred: Tensor, truth: Batch) -> Tensor:
    """``weighted`` with the true root, as published; shapes as there."""
    assert truth.trajectory is not None
    return weighted(pred, truth.trajectory[:, None], truth)


def rpea_fit(pred: Tensor, truth: Batch) -> Tensor:
    """``weighted`` with the root placed by ``fitted_root`` of the mean pose; no ground truth is read."""
    assert truth.camera is not None
    return weighted(pred, fitted_root(p_agg(pred, truth), truth.pose_2d, truth.camera), truth)


RPEA = Aggregation(
    "RPEA",
    GroundTruth(root_trajectory=True),
    "per joint, the mean of the 8 hypotheses whose reprojection is nearest to the 2D input, weighted by how near",
    pose=rpea,
)
RPEA_FIT = Aggregation(
    "RPEA-Fit",
    GroundTruth(),
    "RPEA with the root placed by least squares from the 2D input, the mean pose and the intrinsics",
    pose=rpea_fit,
)
