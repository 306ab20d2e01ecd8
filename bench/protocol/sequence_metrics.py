"""Metrics of the answer itself, over whole sequences: scale, speed, bones.

They are computed for the pose of a deterministic method and for the mean of the hypotheses, and run over the seams
of windows, where a method that works window by window may jump.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.protocol.metrics import bone_length_error, mpjpe, n_mpjpe, symmetry_error
from models.skeleton import Skeleton


def answer_metrics(
    pred: Tensor, target: Tensor, sequence: Tensor, frame: Tensor, skeleton: Skeleton
) -> dict[str, tuple[Tensor, Tensor]]:
    """Errors of every frame.

    Args:
        pred, target: ``[N, J, 3]`` metres, frames of several sequences, in order.
        sequence, frame: ``[N]`` integers, where each comes from.
        skeleton: for bones and their mirror images.

    Returns:
        metric → (``[N]`` millimetres, ``[N]`` bool: where it is defined). Velocity and acceleration are defined
        where the one or two frames before are there too.
    """
    everywhere = torch.ones(len(pred), dtype=torch.bool)
    follows = (sequence.diff() == 0) & (frame.diff() == 1)
    moves = torch.cat([~everywhere[:1], follows])
    accelerates = moves & torch.cat([~everywhere[:1], moves[:-1]])
    return {
        "n_mpjpe": (n_mpjpe(pred, target), everywhere),
        "mpjve": (_differences(pred, target, 1), moves),
        "acceleration": (_differences(pred, target, 2), accelerates),
        "bone_length": (bone_length_error(pred, target, skeleton), everywhere),
        "symmetry": (symmetry_error(pred, skeleton), everywhere),
    }


def _differences(pred: Tensor, target: Tensor, order: int) -> Tensor:
    """Error of the ``order``-th differences ``[N]``, 0 for the first frames, which have none."""
    error = mpjpe(pred.diff(n=order, dim=0), target.diff(n=order, dim=0))
    return torch.cat([error.new_zeros(min(order, len(pred))), error])
