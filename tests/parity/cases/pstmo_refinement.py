"""Refinement of a pose with the 2D pose at its depth: the optional last part of P-STMO's released code.

It needs the camera and the true depth of the root. A prediction may see neither, so no method here uses it, and it
is kept only so that its golden file can be checked. B windows, F frames, J joints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHANNELS = 1024


class Refinement(nn.Module):
    """Mixes the x and y of a pose with those of the 2D pose at its depth, by a learned share of each joint."""

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(6 * joints, CHANNELS),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(CHANNELS, 2 * joints),
            nn.Sigmoid(),
        )

    def forward(self, pose: Tensor, projected: Tensor) -> Tensor:
        """Poses ``[..., J, 3]`` and what ``back_projected`` made of them to refined poses; depth stays."""
        share = self.share(pose, projected)
        return torch.cat([share * pose[..., :2] + (1 - share) * projected[..., :2], pose[..., 2:]], dim=-1)

    def share(self, pose: Tensor, projected: Tensor) -> Tensor:
        """``[..., J, 2]`` from 0 to 1, how much of the pose's x and y remains."""
        return self.score(torch.cat([pose, projected], dim=-1).flatten(-2)).unflatten(-1, (-1, 2))


def back_projected(pose: Tensor, pose_2d: Tensor, root_depth: Tensor, camera: Tensor, root: int) -> Tensor:
    """The 2D pose at the depths of a root-relative pose, relative to the root again.

    Args:
        pose: ``[B, F, J, 3]`` metres.
        pose_2d: ``[B, F, J, 2]`` normalised screen coordinates.
        root_depth: ``[B, F]`` metres.
        camera: ``[B, 9]``, of which the lens distortion is ignored.
        root: its number among the joints.
    """
    depth = pose[..., 2:].clone()
    depth[..., root, :] = 0
    depth = depth + root_depth[..., None, None]
    focal, centre = camera[:, None, None, :2], camera[:, None, None, 2:4]
    placed = torch.cat([(pose_2d - centre) * depth / focal, depth], dim=-1)
    return placed - placed[..., root : root + 1, :]
