import math

import torch

from baselines.motionbert import limb_angles, limb_lengths, limb_losses, meeting_limbs
from models.skeleton import HUMAN36M, MPI_INF_3DHP

CORNER = torch.tensor([[0.0, 0, 0], [3.0, 0, 0], [3.0, 4, 0]])
LIMBS = [(0, 1), (1, 2)]


def test_lengths_and_angles_of_a_corner() -> None:
    assert limb_lengths(CORNER, LIMBS).tolist() == [3.0, 4.0]
    angles = limb_angles(CORNER, LIMBS, [(0, 1), (0, 0)])
    torch.testing.assert_close(angles, torch.tensor([math.pi / 2, 0]), atol=1e-3, rtol=0)


def test_gradient_of_a_straight_limb_is_finite() -> None:
    straight = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0]], requires_grad=True)
    limb_angles(straight, LIMBS, [(0, 1)]).sum().backward()
    assert straight.grad is not None
    assert straight.grad.isfinite().all()


def test_limbs_meet_where_they_share_a_joint() -> None:
    assert meeting_limbs([(0, 1), (1, 2), (0, 3), (4, 5)]) == [(0, 1), (0, 2)]
    for skeleton in (HUMAN36M, MPI_INF_3DHP):
        degree = [sum(joint in bone for bone in skeleton.bones) for joint in range(17)]
        assert len(meeting_limbs(skeleton.bones)) == sum(math.comb(n, 2) for n in degree)


def test_turned_bodies_differ_in_nothing_and_grown_ones_in_length_alone() -> None:
    target = torch.randn(2, 5, 17, 3)
    turn, _ = torch.linalg.qr(torch.randn(3, 3))
    limbs = HUMAN36M.bones
    turned = limb_losses(target @ turn, target, limbs, meeting_limbs(limbs))
    for name in ("limb_length", "angle", "angle_velocity"):
        assert turned[name] < 1e-5
    grown = limb_losses(1.1 * target, target, limbs, meeting_limbs(limbs))
    torch.testing.assert_close(grown["limb_length"], 0.1 * limb_lengths(target, limbs).mean())
    assert grown["angle"] < 1e-5
    still = limb_losses(target[:, :1].expand(-1, 5, -1, -1), target, limbs, meeting_limbs(limbs))
    assert still["limb_variance"] < 1e-10
