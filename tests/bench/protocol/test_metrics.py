from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.protocol import metrics
from bench.protocol.metrics import p_mpjpe
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton
from tests.bench.data import golden
from tests.bench.protocol import tensors
from tests.parity.cases.metrics import METRICS, PCK_GROUPS

VECTORS = tensors("metrics.npz")
PRED, TARGET = VECTORS["pred"][:, -1, 0], VECTORS["target"]
PCK = golden("pck_auc.npz")


@pytest.mark.parametrize("name", METRICS)
def test_golden_values(name: str) -> None:
    value = METRICS[name](PRED, TARGET).mean() / 1000
    torch.testing.assert_close(value, VECTORS[f"out_{name}"], atol=1e-6, rtol=0)


def test_velocity_across_seams_is_the_other_golden_value() -> None:
    value = metrics.mpjve(PRED.flatten(0, 1), TARGET.flatten(0, 1)).mean() / 1000
    torch.testing.assert_close(value, VECTORS["out_mpjve_axis0_flat"], atol=1e-6, rtol=0)


def test_acceleration_ignores_a_constant_velocity() -> None:
    drift = torch.arange(5.0)[:, None, None] * torch.tensor([0.1, -0.2, 0.3])
    assert metrics.acceleration_error(PRED + drift, PRED).max() < 1e-3
    jump = torch.zeros(5, 1, 1)
    jump[2] = 0.01
    values = metrics.acceleration_error(PRED + jump * torch.tensor([1.0, 0, 0]), PRED)
    torch.testing.assert_close(values, torch.tensor([10.0, 20.0, 10.0]).expand(2, 3), atol=1e-3, rtol=0)


def test_scaling_is_no_error_for_n_mpjpe_and_zero_is_defined() -> None:
    assert metrics.n_mpjpe(3 * TARGET, TARGET).max() < 1e-3
    zero = torch.zeros_like(TARGET)
    torch.testing.assert_close(metrics.n_mpjpe(zero, TARGET), metrics.mpjpe(zero, TARGET))


def rows() -> list[tuple[str, int, np.ndarray]]:
    """(kind of row, its number, errors of its frames) as the golden file orders them."""
    errors = [PCK[f"err_mm_{n}"] for n in range(1, 7)]
    everything = np.concatenate(errors)
    activity = np.concatenate([PCK[f"activity_{n}"] for n in range(1, 7)])
    by_activity = [everything[activity == n] for n in range(1, 8)] + [everything]
    return [("seq", n, e) for n, e in enumerate(errors)] + [("act", n, e) for n, e in enumerate(by_activity)]


@pytest.mark.parametrize(("kind", "row", "errors"), rows())
def test_golden_pck_and_auc(kind: str, row: int, errors: np.ndarray) -> None:
    frames = torch.from_numpy(errors)
    groups = [frames[:, list(joints)] for joints in PCK_GROUPS.values()]
    pck = [metrics.pck(group).mean().item() for group in groups]
    auc = [metrics.auc(group).mean().item() for group in groups]
    np.testing.assert_allclose(pck, PCK[f"{kind}_pck"][row], atol=1e-3)
    np.testing.assert_allclose(auc, PCK[f"{kind}_auc"][row], atol=1e-3)
    means = [*frames.mean(0).tolist(), frames.mean().item()]
    np.testing.assert_allclose(means, PCK[f"{kind}_mpjpe"][row], rtol=1e-5)


def test_pck_is_strict() -> None:
    assert metrics.pck(torch.tensor([150.0, 149.9])).item() == 50


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 300), min_size=1, max_size=17), st.floats(0, 300), st.floats(0, 300))
def test_pck_grows_with_the_threshold(errors: list[float], one: float, other: float) -> None:
    values = torch.tensor(errors)
    assert metrics.pck(values, min(one, other)) <= metrics.pck(values, max(one, other))


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(17)))
def test_order_of_joints_does_not_matter(order: list[int]) -> None:
    for metric in METRICS.values():
        torch.testing.assert_close(metric(PRED[..., order, :], TARGET[..., order, :]), metric(PRED, TARGET))


def test_metrics_broadcast_over_steps_and_hypotheses() -> None:
    pred, target = VECTORS["pred"], TARGET[:, None, None]
    for metric, frames in ((metrics.mpjpe, 5), (p_mpjpe, 5), (metrics.n_mpjpe, 5), (metrics.mpjve, 4)):
        values = metric(pred, target)
        assert values.shape == (2, 3, 4, frames)
        torch.testing.assert_close(values[1, 2, 3], metric(pred[1, 2, 3], TARGET[1]), atol=1e-3, rtol=1e-5)
    assert p_mpjpe(pred[0, 0, 0, 0], TARGET[0, 0]).shape == ()


def test_pieces_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = metrics.aligned_joint_errors(PRED, TARGET)
    monkeypatch.setattr(metrics, "PIECE", {"cpu": 3})
    torch.testing.assert_close(metrics.aligned_joint_errors(PRED, TARGET), whole)


@pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP], ids=lambda skeleton: skeleton.name)
def test_mirroring_twice_is_nothing_and_mirroring_both_is_no_error(skeleton: Skeleton) -> None:
    assert torch.equal(skeleton.mirror(skeleton.mirror(PRED)), PRED)
    assert not torch.equal(skeleton.mirror(PRED), PRED)
    for metric in METRICS.values():
        both = metric(skeleton.mirror(PRED), skeleton.mirror(TARGET))
        torch.testing.assert_close(both, metric(PRED, TARGET), atol=1e-3, rtol=0)
