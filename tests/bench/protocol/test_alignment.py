from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.protocol.alignment import joints_first, row_times, similarity
from bench.protocol.metrics import PIECE, aligned_joint_errors, joint_errors, p_mpjpe
from tests.bench.protocol import tensors

VECTORS = tensors("metrics.npz")


def align(pred: Tensor, target: Tensor) -> Tensor:
    """The predictions ``[..., J, 3]``, each moved by its best similarity."""
    pred, target = torch.broadcast_tensors(pred, target)
    x, y = (joints_first(poses.reshape(-1, *poses.shape[-2:])) for poses in (pred, target))
    linear, goal = similarity(x, y)
    return row_times(x, linear).add_(goal).permute(2, 0, 1).reshape(pred.shape)


def by_svd(pred: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The textbook form in float64, one pose at a time."""
    x, y = pred - pred.mean(0), target - target.mean(0)
    u, values, vh = np.linalg.svd(x.T @ y)
    values[2] *= np.sign(np.linalg.det(u @ vh))
    u[:, 2] *= np.sign(np.linalg.det(u @ vh))
    return values.sum() / (x**2).sum() * x @ (u @ vh) + target.mean(0)


def random_similarity(seed: int) -> tuple[float, Tensor, Tensor]:
    """A random scale, rotation ``[3, 3]`` and shift ``[3]``."""
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    q[:, 0] *= torch.linalg.det(q)
    scale = float(torch.rand(1, generator=generator) * 10 + 0.01)
    return scale, q, torch.randn(3, generator=generator, dtype=torch.float64)


def poses(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, 17, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_golden_special_poses() -> None:
    errors = p_mpjpe(VECTORS["special_pred"], VECTORS["special_target"]) / 1000
    torch.testing.assert_close(errors, VECTORS["special_p_mpjpe"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("spread", [(1, 1, 1), (1, 1, 0), (1, 1e-4, 1e-4), (1, 1e-9, 0), (1, 0.3, -0.3)])
@pytest.mark.parametrize("noise", [0.0, 1e-3, 0.3, 30.0])
def test_equals_the_singular_value_decomposition(spread: tuple[float, ...], noise: float) -> None:
    target = poses(0, 300)
    pred = target * torch.tensor(spread, dtype=torch.float64) + noise * poses(1, 300)
    expected = np.stack([by_svd(p, t) for p, t in zip(pred.numpy(), target.numpy(), strict=True)])
    error = np.linalg.norm(expected - target.numpy(), axis=-1).mean(-1)
    np.testing.assert_allclose(p_mpjpe(pred, target).numpy() / 1000, error, atol=1e-7)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_similarity_of_the_prediction_changes_nothing(seed: int) -> None:
    scale, rotation, shift = random_similarity(seed)
    pred, target = poses(seed + 1, 5), poses(seed + 2, 5)
    torch.testing.assert_close(align(scale * pred @ rotation + shift, target), align(pred, target))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_similar_poses_coincide_after_alignment(seed: int) -> None:
    scale, rotation, shift = random_similarity(seed)
    pred = poses(seed + 1, 3)
    assert p_mpjpe(pred, scale * pred @ rotation + shift).max() < 1e-6


def test_mirror_image_is_not_matched_by_reflection() -> None:
    pred = poses(0, 10)
    assert p_mpjpe(pred * torch.tensor([-1, 1, 1]), pred).min() > 100


def test_coincident_joints_land_on_the_centroid() -> None:
    target = poses(0, 2).float()
    pred = torch.full_like(target, 0.1)
    centroid = target.mean(-2, keepdim=True).expand_as(target)
    torch.testing.assert_close(align(pred, target), centroid)
    torch.testing.assert_close(align(target, pred), pred)


def test_what_is_not_finite_becomes_nan_and_stays_alone() -> None:
    pred, target = poses(0, 4), poses(1, 4)
    expected = align(pred, target)
    pred[1, 3, 0], target[2, 5, 2] = float("nan"), float("inf")
    aligned = align(pred, target)
    assert aligned[1:3].isnan().all()
    assert torch.equal(aligned[[0, 3]], expected[[0, 3]])


def test_a_pose_does_not_depend_on_its_neighbours() -> None:
    pred, target = poses(0, 500), poses(1, 500)
    target[::7] = target[::7] * torch.tensor([1, 1e-9, 1e-9])
    alone = torch.cat([align(pred[i : i + 1], target[i : i + 1]) for i in range(500)])
    torch.testing.assert_close(align(pred, target), alone, atol=1e-9, rtol=0)


def test_target_broadcasts() -> None:
    pred, target = poses(0, 2, 3, 4), poses(1, 2, 1, 4)
    expected = align(pred, target.expand(2, 3, 4, 17, 3).clone())
    torch.testing.assert_close(align(pred, target), expected)
    assert joint_errors(align(pred.float(), target.float()), target.float()).dtype == torch.float32


def test_bits_do_not_depend_on_a_pose_s_place() -> None:
    pred, target = poses(0, 400).float(), poses(1, 400).float()
    together = aligned_joint_errors(pred, target)
    for first, count in ((0, 1), (3, 5), (17, 150), (399, 1)):
        part = slice(first, first + count)
        assert torch.equal(aligned_joint_errors(pred[part], target[part]), together[part])


def test_threads_share_the_poses_and_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    pred, target = poses(0, 400).float(), poses(1, 400).float()
    alone = aligned_joint_errors(pred, target)
    before = torch.get_num_threads()
    monkeypatch.setitem(PIECE, "cpu", 64)
    torch.set_num_threads(3)
    try:
        assert torch.equal(aligned_joint_errors(pred, target), alone)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
