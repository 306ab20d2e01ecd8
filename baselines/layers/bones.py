"""The bones of a skeleton: their vectors, directions and lengths, and people whose bones are longer or shorter.

B people, R frames, J joints, N bones, P pairs of joints that are no bone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.skeleton import HUMAN36M, Skeleton

LARGEST_CHANGE = 0.6
"""Share of a bone's mean length between the shortest and the longest bone that ``Bones.lengthened`` makes."""
PUBLISHED_BONES = (
    (16, 15), (15, 14), (13, 12), (12, 11), (10, 9), (9, 8), (8, 7), (8, 11), (8, 14), (7, 0), (3, 2), (2, 1),
    (6, 5), (5, 4), (1, 0), (4, 0),
)  # fmt: skip
"""Human3.6M's bones in the order of Anatomy3D's published weights."""


class Bones(nn.Module):
    """Bones of a skeleton as buffers. A bone is a pair of joints, its vector the first minus the second."""

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        parents, joints = skeleton.parents, range(len(skeleton.joints))
        pairs = tuple((child, parent) for parent, child in skeleton.bones)
        pairs = PUBLISHED_BONES if skeleton == HUMAN36M else pairs
        tied = {frozenset(pair) for pair in pairs}
        others = [(i, j) for i in joints for j in joints[i:] if frozenset((i, j)) not in tied]  # i = j included
        chains = torch.zeros(len(joints), len(pairs))
        for bone, (first, second) in enumerate(pairs):
            sign, child = (1, first) if parents[first] == second else (-1, second)
            chains[[joint for joint in joints if child in _chain(joint, parents)], bone] = sign
        self.register_buffer("pairs", torch.tensor(pairs), persistent=False)
        self.register_buffer("others", torch.tensor(others), persistent=False)
        # [J, N]: 1 or -1 for the bones between the root and a joint, by the direction of their vectors
        self.register_buffer("chains", chains, persistent=False)

    def __len__(self) -> int:
        return len(self.get_buffer("pairs"))

    def vectors(self, poses: Tensor) -> Tensor:
        """``[..., J, 3]`` to ``[..., N, 3]``."""
        first, second = self.get_buffer("pairs").T  # [N, 2] → [2, N]
        return poses[..., first, :] - poses[..., second, :]

    def directions(self, poses: Tensor) -> Tensor:
        """``[..., J, 3]`` to unit vectors ``[..., N, 3]``."""
        return functional.normalize(self.vectors(poses), dim=-1)

    def lengths(self, poses: Tensor) -> Tensor:
        """``[..., J, 3]`` to ``[..., N]``."""
        return torch.linalg.vector_norm(self.vectors(poses), dim=-1)

    def shifts(self, poses: Tensor) -> Tensor:
        """From joint i to joint j of all pairs i <= j that are no bone: ``[..., J, 3]`` to ``[..., P, 3]``."""
        first, second = self.get_buffer("others").T  # [P, 2] → [2, P]
        return poses[..., second, :] - poses[..., first, :]

    def lengthened(self, poses: Tensor, uniform: Tensor) -> Tensor:
        """Poses ``[B, R, J, 3]``, a person in each row, its bones longer or shorter; joints beyond move too.

        ``uniform`` is ``[B, N]`` from 0 to 1; 0.5 leaves a bone as it is.
        """
        extra = (uniform - 0.5) * LARGEST_CHANGE * self.lengths(poses).mean((0, 1))  # [B, N]
        added = self.directions(poses) * extra[:, None, :, None]  # [B, R, N, 3] · [B, 1, N, 1]
        return poses + self.get_buffer("chains") @ added  # [J, N] @ [B, R, N, 3] → [B, R, J, 3]


def _chain(joint: int, parents: Sequence[int]) -> list[int]:
    """A joint and all joints between it and the root, without the root."""
    return [] if parents[joint] < 0 else [joint, *_chain(parents[joint], parents)]
