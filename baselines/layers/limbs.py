"""Lengths of limbs and angles between them, and losses that compare them.

A limb is a pair of joints, for example of ``Skeleton.bones``. F frames, J joints, L limbs, P pairs of limbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

Pairs = Sequence[tuple[int, int]]
COSINE_LIMIT = 1 - 1e-7


def limb_vectors(poses: Tensor, limbs: Pairs) -> Tensor:
    """First minus second joint: ``[..., J, 3]`` to ``[..., L, 3]``."""
    first, second = torch.tensor(limbs, device=poses.device).T  # [L, 2] → [2, L]
    return poses[..., first, :] - poses[..., second, :]


def limb_lengths(poses: Tensor, limbs: Pairs) -> Tensor:
    """Poses ``[..., J, 3]`` to lengths ``[..., L]``."""
    return torch.linalg.vector_norm(limb_vectors(poses, limbs), dim=-1)


def limb_angles(poses: Tensor, limbs: Pairs, pairs: Pairs) -> Tensor:
    """Angles (radians) ``[..., P]`` between pairs of limbs, given by their numbers."""
    vectors = limb_vectors(poses, limbs)
    first, second = torch.tensor(pairs, device=poses.device).T  # [P, 2] → [2, P]
    cosine = functional.cosine_similarity(vectors[..., first, :], vectors[..., second, :], dim=-1)
    return cosine.clamp(-COSINE_LIMIT, COSINE_LIMIT).acos()


def meeting_limbs(limbs: Pairs) -> Pairs:
    """Numbers of all pairs of limbs that share a joint."""
    numbered = combinations(range(len(limbs)), 2)
    return [(first, second) for first, second in numbered if set(limbs[first]) & set(limbs[second])]


def limb_losses(predicted: Tensor, target: Tensor, limbs: Pairs, pairs: Pairs) -> dict[str, Tensor]:
    """MotionBERT's optional losses (arXiv:2210.06551) on bodies ``[..., F, J, 3]``.

    Returns:
        ``limb_variance`` over the frames of the prediction, and the mean absolute difference of ``limb_length``,
        ``angle`` (radians) and ``angle_velocity`` (per frame).
    """
    (lengths, true_lengths), (angles, true_angles) = (
        [limb_lengths(poses, limbs) for poses in (predicted, target)],
        [limb_angles(poses, limbs, pairs) for poses in (predicted, target)],
    )
    return {
        "limb_variance": lengths.var(dim=-2).mean(),
        "limb_length": functional.l1_loss(lengths, true_lengths),
        "angle": functional.l1_loss(angles, true_angles),
        "angle_velocity": functional.l1_loss(angles.diff(dim=-2), true_angles.diff(dim=-2)),
    }
