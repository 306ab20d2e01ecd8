from __future__ import annotations

import torch

from models.refinement import Refinement, back_projected

CAMERA = torch.tensor([[2.3, 2.2, 0.1, -0.05, 0, 0, 0, 0, 0]])


def test_pose_seen_by_the_camera_is_projected_back_to_itself() -> None:
    torch.manual_seed(0)
    pose = torch.randn(1, 4, 17, 3) / 3
    pose[:, :, 2] = 0
    root = torch.tensor([0.3, -0.2, 4.0])
    placed = pose + root
    pose_2d = placed[..., :2] / placed[..., 2:] * CAMERA[0, :2] + CAMERA[0, 2:4]
    back = back_projected(pose, pose_2d, torch.full((1, 4), 4.0), CAMERA, root=2)
    torch.testing.assert_close(back, pose, atol=1e-6, rtol=0)


def test_refined_pose_lies_between_both_and_keeps_its_depth() -> None:
    torch.manual_seed(0)
    network = Refinement(17).eval()
    pose, projected = torch.randn(2, 3, 1, 17, 3).unbind(0)
    refined = network(pose, projected)
    assert torch.equal(refined[..., 2], pose[..., 2])
    low, high = torch.minimum(pose, projected), torch.maximum(pose, projected)
    assert ((refined[..., :2] >= low[..., :2] - 1e-6) & (refined[..., :2] <= high[..., :2] + 1e-6)).all()
