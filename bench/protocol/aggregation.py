"""From H hypotheses to one error per frame: the four ways of the field, each with the ground truth it looks at.

Shapes: B windows, K steps, H hypotheses, F frames, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bench.data.cameras import project
from bench.protocol.metrics import aligned_joint_errors, joint_errors, mpjpe, p_mpjpe
from bench.records import Kind
from models.lifter import Batch

METRICS = {"mpjpe": joint_errors, "p_mpjpe": aligned_joint_errors}
"""Errors per joint of the metrics that hypotheses are aggregated under."""

NamedErrors = dict[tuple[str, str | None], Tensor]


@dataclass(frozen=True)
class Aggregation:
    """A way to make one pose (or one error) of H hypotheses.

    Attributes:
        name: what tables print.
        kind: "deployable" needs nothing but the input; "assisted" was given something about the ground truth
            other than the pose; "oracle" chose by the ground-truth pose itself.
        looks_at: that ground truth.
        rule: one line for the notes under a table.
    """

    name: str
    kind: Kind
    looks_at: tuple[str, ...]
    rule: str


P_AGG = Aggregation("P-Agg", "deployable", (), "mean pose of all hypotheses")
J_AGG = Aggregation(
    "J-Agg",
    "assisted",
    ("root trajectory",),
    "per joint, the hypothesis whose reprojection is nearest to the 2D input (JPMA)",
)
P_BEST = Aggregation("P-Best", "oracle", ("pose",), "per window, the hypothesis with the smallest error")
J_BEST = Aggregation("J-Best", "oracle", ("pose",), "per joint and frame, the hypothesis with the smallest error")
AGGREGATIONS = {aggregation.name: aggregation for aggregation in (P_AGG, J_AGG, P_BEST, J_BEST)}


def single_errors(pred: Tensor, pose_3d: Tensor) -> NamedErrors:
    """Errors ``[B, K, F]`` (mm) of a method without hypotheses, predictions ``[B, K, 1, F, J, 3]``."""
    one, target = pred[:, :, 0], pose_3d[:, None]
    return {("mpjpe", None): mpjpe(one, target), ("p_mpjpe", None): p_mpjpe(one, target)}


def aggregate_errors(
    pred: Tensor,
    truth: Batch,
    counts: Tensor | None = None,
    prefixes: Sequence[int] | None = None,
    best_over: Literal["window", "call"] = "window",
) -> dict[int, NamedErrors]:
    """Errors of every frame under every aggregation, for several numbers of hypotheses at once.

    Errors, alignments and reprojections of single hypotheses are computed once and shared by all prefixes. Under
    "p_mpjpe" every hypothesis is aligned on its own before joints are picked (J-Best, J-Agg); P-Agg averages
    first and aligns the mean. J-Agg always picks by the reprojection of the poses as given.

    Source: Shan et al., "Diffusion-based 3D human pose estimation with multi-hypothesis aggregation" (D3DP), ICCV
    2023: JPMA is J-Agg; P-Agg, P-Best and J-Best are the settings of its tables.

    Args:
        pred: ``[B, K, H, F, J, 3]`` metres, root-relative.
        truth: with ground truth, ``pose_2d`` ``[B, F, J, 2]`` without context frames.
        counts: ``[B, F]`` bool, the frames of a window that P-Best judges it by; all by default.
        prefixes: numbers of hypotheses H' ≤ H; the first H' are used. H itself by default.
        best_over: what P-Best picks one hypothesis for: each "window", or, as in the published code, the whole
            "call", which makes the number depend on how windows are batched.

    Returns:
        H' → (metric, aggregation) → ``[B, K, F]`` millimetres.
    """
    assert truth.pose_3d is not None
    target = truth.pose_3d[:, None, None]
    errors = {metric: compute(pred, target) for metric, compute in METRICS.items()}
    scores = {metric: _scores(error, counts, best_over) for metric, error in errors.items()}
    reprojection = _reprojection_errors(pred, truth)
    return {
        h: _prefix_errors(pred[:, :, :h], truth.pose_3d, errors, scores, reprojection[:, :, :h].argmin(2))
        for h in (prefixes or (pred.shape[2],))
    }


def _prefix_errors(
    pred: Tensor, pose_3d: Tensor, errors: dict[str, Tensor], scores: dict[str, Tensor], nearest: Tensor
) -> NamedErrors:
    """The errors of the hypotheses in ``pred``; ``nearest`` ``[B, K, F, J]`` numbers J-Agg's choice among them."""
    h = pred.shape[2]
    mean_pose = pred.mean(2, keepdim=True)
    result: NamedErrors = {
        (metric, P_AGG.name): error for (metric, _), error in single_errors(mean_pose, pose_3d).items()
    }
    for metric, error in errors.items():
        best = scores[metric][:, :, :h].argmin(2)
        result[metric, J_AGG.name] = _picked(error, nearest).mean(-1)
        result[metric, P_BEST.name] = _picked(error, best[..., None, None]).mean(-1)
        result[metric, J_BEST.name] = error[:, :, :h].amin(2).mean(-1)
    return result


def _picked(error: Tensor, hypothesis: Tensor) -> Tensor:
    """``[B, K, F, J]`` out of ``[B, K, H, F, J]``: the errors of the numbered hypotheses, which broadcast."""
    index = hypothesis.unsqueeze(2).expand(*error.shape[:2], 1, *error.shape[3:])
    return error.gather(2, index).squeeze(2)


def _scores(error: Tensor, counts: Tensor | None, best_over: str) -> Tensor:
    """``[B, K, H]``: what P-Best minimises, the mean error over the counted frames of a window or of the call."""
    per_frame = error.mean(-1)
    weights = torch.ones_like(per_frame[:, 0, 0]) if counts is None else counts.to(per_frame.dtype)
    total = (per_frame * weights[:, None, None]).sum(-1)
    return total.sum(0, keepdim=True).expand_as(total) if best_over == "call" else total


def _reprojection_errors(pred: Tensor, truth: Batch) -> Tensor:
    """``[B, K, H, F, J]``: distance of projected joints from the 2D input, in its units."""
    assert truth.trajectory is not None
    assert truth.camera is not None
    in_camera = pred + truth.trajectory[:, None, None, :, None]
    offset = (project(in_camera, truth.camera) - truth.pose_2d[:, None, None]).square()
    return offset[..., 0] + offset[..., 1]
