"""What must hold of metrics and aggregations for any poses."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.protocol.aggregation import aggregate_errors
from bench.protocol.metrics import (
    AUC_THRESHOLDS,
    auc,
    bone_length_error,
    joint_errors,
    mpjpe,
    n_mpjpe,
    p_mpjpe,
    pck,
    symmetry_error,
)
from models.lifter import Batch
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton

seeds = st.integers(0, 2**31 - 1)
few = settings(max_examples=30, deadline=None)


def poses(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, 17, 3, generator=generator, dtype=torch.float64) / 3


def rotation(seed: int) -> Tensor:
    q, r = torch.linalg.qr(poses(seed, 1)[0, :3])
    q = q * r.diagonal().sign()
    return q * torch.linalg.det(q)


@few
@given(seeds, st.floats(0.05, 20), st.floats(-5, 5))
def test_p_mpjpe_forgives_every_similarity(seed: int, scale: float, shift: float) -> None:
    pred, target = poses(seed, 4), poses(seed + 1, 4)
    moved = scale * pred @ rotation(seed + 2) + shift
    torch.testing.assert_close(p_mpjpe(moved, target), p_mpjpe(pred, target), rtol=1e-6, atol=1e-6)
    assert (p_mpjpe(scale * target @ rotation(seed) + shift, target) < 1e-4).all()
    mirrored = target * torch.tensor([-1.0, 1, 1], dtype=torch.float64)
    assert (p_mpjpe(mirrored, target) > 1).all(), "a reflection is no similarity"


@few
@given(seeds, st.floats(0.05, 20))
def test_n_mpjpe_forgives_size_and_nothing_else(seed: int, scale: float) -> None:
    pred, target = poses(seed, 4), poses(seed + 1, 4)
    torch.testing.assert_close(n_mpjpe(scale * pred, target), n_mpjpe(pred, target))
    assert (n_mpjpe(scale * target, target) < 1e-6).all()
    squared = joint_errors(n_scaled(pred, target), target).square().sum(-1)
    for s in torch.linspace(-2, 2, 9):
        assert (squared <= joint_errors(s * pred, target).square().sum(-1) + 1e-6).all()


def n_scaled(pred: Tensor, target: Tensor) -> Tensor:
    return pred * (pred * target).sum((-2, -1), keepdim=True) / pred.square().sum((-2, -1), keepdim=True)


@few
@given(seeds, st.permutations(range(17)))
def test_mpjpe_does_not_know_the_order_of_joints(seed: int, order: list[int]) -> None:
    pred, target = poses(seed, 3), poses(seed + 1, 3)
    torch.testing.assert_close(mpjpe(pred[:, order], target[:, order]), mpjpe(pred, target))
    torch.testing.assert_close(p_mpjpe(pred[:, order], target[:, order]), p_mpjpe(pred, target))


@few
@given(seeds)
def test_mpjpe_is_a_distance(seed: int) -> None:
    one, other, third = (poses(seed + n, 3) for n in range(3))
    torch.testing.assert_close(mpjpe(one, other), mpjpe(other, one))
    assert (mpjpe(one, third) <= mpjpe(one, other) + mpjpe(other, third) + 1e-9).all()
    assert (mpjpe(one, one) == 0).all()


@few
@given(seeds, st.sampled_from([HUMAN36M, MPI_INF_3DHP]))
def test_flip_twice_is_the_identity_and_changes_no_error(seed: int, skeleton: Skeleton) -> None:
    pred, target = poses(seed, 3), poses(seed + 1, 3)
    assert torch.equal(skeleton.mirror(skeleton.mirror(pred)), pred)
    flipped = skeleton.mirror(pred), skeleton.mirror(target)
    for metric in (mpjpe, p_mpjpe, n_mpjpe):
        torch.testing.assert_close(metric(*flipped), metric(pred, target))
    torch.testing.assert_close(symmetry_error(flipped[0], skeleton), symmetry_error(pred, skeleton))


@few
@given(seeds, st.sampled_from([HUMAN36M, MPI_INF_3DHP]))
def test_bones_know_neither_place_nor_direction(seed: int, skeleton: Skeleton) -> None:
    target = poses(seed, 3)
    moved = target @ rotation(seed + 1) + 2.0
    assert (bone_length_error(moved, target, skeleton) < 1e-6).all()
    lengths = [(target[:, b] - target[:, a]).norm(dim=-1) for a, b in skeleton.bones]
    expected = 100 * torch.stack(lengths).mean(0)
    torch.testing.assert_close(bone_length_error(1.1 * target, target, skeleton), expected)


def test_symmetry_is_zero_for_a_symmetric_body_only() -> None:
    for skeleton in (HUMAN36M, MPI_INF_3DHP):
        pose = poses(0, 1)
        even = (pose + skeleton.mirror(pose)) / 2
        assert symmetry_error(even, skeleton).item() < 1e-9
        longer = even.clone()
        hand = skeleton.left[-1]
        parent = skeleton.parents[hand]
        longer[:, hand] += 0.06 * torch.nn.functional.normalize(even[:, hand] - even[:, parent], dim=-1)
        assert symmetry_error(longer, skeleton).item() == pytest.approx(60 / len(skeleton.left))


def test_a_bone_without_a_mirror_image_is_not_part_of_the_symmetry() -> None:
    # The left wrist hangs from the left shoulder, the right one from an elbow: only the upper bones are a pair.
    skeleton = Skeleton(
        "one elbow", ("root", "LShoulder", "LWrist", "RShoulder", "RElbow", "RWrist"), (-1, 0, 1, 0, 3, 4),
        left=(1, 2), right=(3, 5), root=0,
    )  # fmt: skip
    assert skeleton.mirrored_bones == ((0, 2),)
    pose = torch.tensor([(0.0, 0, 0), (0.2, 0, 0), (0.9, 0, 0), (-0.25, 0, 0), (-0.5, 0, 0), (-0.7, 0, 0)])
    assert symmetry_error(pose, skeleton).item() == pytest.approx(50, rel=1e-5)


@few
@given(seeds, st.floats(0, 400), st.floats(0, 400))
def test_pck_grows_with_the_threshold_and_auc_is_its_mean(seed: int, one: float, other: float) -> None:
    errors = 150 * poses(seed, 5)[..., 0].abs()
    low, high = sorted((one, other))
    assert (pck(errors, low) <= pck(errors, high)).all()
    torch.testing.assert_close(auc(errors), torch.stack([pck(errors, t) for t in AUC_THRESHOLDS]).mean(0))
    assert (auc(errors) <= pck(errors)).all()


def test_thresholds_are_strict() -> None:
    errors = torch.tensor([[150.0], [149.99], [5.0], [0.0]])
    assert pck(errors).tolist() == [0, 100, 100, 100]
    assert auc(errors).tolist() == pytest.approx([0, 100 / 31, 2900 / 31, 3000 / 31])


@few
@given(seeds, st.integers(1, 6))
def test_bounds_of_aggregations(seed: int, hypotheses: int) -> None:
    target = poses(seed, 2, 5).float()
    pred = target[:, None, None] + poses(seed + 1, 2, 2, hypotheses, 5).float() / 2
    truth = Batch(
        pose_2d=poses(seed + 2, 2, 5)[..., :2].float(),
        actions=("Walking", "Eating"),
        window_keys=torch.arange(2),
        pose_3d=target,
        trajectory=torch.tensor([0.1, 0.2, 5.0]).expand(2, 5, 3),
        camera=torch.tensor([2.3, 2.3, 0, 0, -0.2, 0.2, 0, 0, 0]).expand(2, 9),
    )
    errors = aggregate_errors(pred, truth)[hypotheses]
    j_best, p_best, j_agg, j_fit, p_agg = (
        errors["mpjpe", name] for name in ("J-Best", "P-Best", "J-Agg", "J-Fit", "P-Agg")
    )
    mean = joint_errors(pred, target[:, None, None]).mean(2)
    slack = 1e-2
    assert (j_best.mean((2, 3)) <= p_best.mean((2, 3)) + slack).all()
    assert (p_best.mean((2, 3)) <= mean.mean((2, 3)) + slack).all()
    assert (j_best <= j_agg + slack).all()
    assert (j_best <= j_fit + slack).all()
    assert (p_agg <= mean + slack).all(), "the mean pose is never worse than the hypotheses are on average"
