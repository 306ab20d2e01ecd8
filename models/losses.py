"""Training losses over poses ``[..., F, J, 3]`` in metres; each returns a scalar."""

from __future__ import annotations

import torch
from torch import Tensor

from models.errors import InputError
from models.skeleton import Skeleton

LIMB_WEIGHTS = {
    "Knee": 2.5, "Foot": 2.5, "Ankle": 2.5, "Head": 1.5, "HeadTop": 1.5,
    "Shoulder": 1.5, "Elbow": 4.0, "Wrist": 4.0,
}  # fmt: skip


def mean_joint_distance(predicted: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean Euclidean distance, times ``weights`` (one a joint, or any shape that broadcasts to ``[..., F, J]``).

    With weights it is MixSTE's weighted position loss (arXiv:2203.00859, equation 8).

    Raises:
        InputError: the shapes differ, which would broadcast silently.
    """
    if predicted.shape != target.shape:
        raise InputError(
            f"predicted poses are {tuple(predicted.shape)} and targets {tuple(target.shape)}: give one shape"
        )
    distance = torch.linalg.vector_norm(predicted - target, dim=-1)
    return (distance if weights is None else weights * distance).mean()


def scaled_joint_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean distance after every frame is scaled to the target, least squares (N-MPJPE as a loss).

    The gradient runs through the scale (Rhodin et al., arXiv:1803.04775).
    """
    dims = (-2, -1)
    scale = (target * predicted).sum(dims, keepdim=True) / predicted.square().sum(dims, keepdim=True)
    return mean_joint_distance(scale * predicted, target)


def temporal_consistency(predicted: Tensor, weights: Tensor) -> Tensor:
    """Mean over frames, joints and coordinates of weight times squared frame difference (MixSTE, section 3.4)."""
    return (weights[:, None] * predicted.diff(dim=-3).square()).mean()  # [J, 1] times [..., F - 1, J, 3]


def velocity(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean distance of the frame differences (MPJVE as a loss; MixSTE, section 3.4)."""
    return mean_joint_distance(predicted.diff(dim=-3), target.diff(dim=-3))


def sequence_loss(predicted: Tensor, target: Tensor, scaled: float, velocity_weight: float) -> Tensor:
    """Position, weighted scaled position and weighted velocity of poses ``[..., F, J, 3]`` in metres.

    MotionBERT's loss, which its successors took over (Zhu et al., arXiv:2210.06551, section 3.4).
    """
    return (
        mean_joint_distance(predicted, target)
        + scaled * scaled_joint_distance(predicted, target)
        + velocity_weight * velocity(predicted, target)
    )


def joint_weights(skeleton: Skeleton) -> Tensor:
    """MixSTE's weight of each joint ``[J]``, by the joint's name: the farther from the root, the larger."""
    return torch.tensor([LIMB_WEIGHTS.get(name, LIMB_WEIGHTS.get(name[1:], 1.0)) for name in skeleton.joints])
