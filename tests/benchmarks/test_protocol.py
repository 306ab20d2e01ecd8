"""Speed of the protocol; ``pytest tests/benchmarks --benchmark-enable`` prints it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.protocol.aggregation import aggregate_errors
from bench.protocol.metrics import p_mpjpe
from bench.protocol.uncertainty import interval
from models.lifter import Batch

POSES = 200_000


def textbook(pred: np.ndarray, target: np.ndarray) -> np.ndarray:
    """P-MPJPE of poses ``[N, J, 3]`` in the form that papers give: one singular value decomposition per pose."""
    centre, goal = pred.mean(1, keepdims=True), target.mean(1, keepdims=True)
    x, y = pred - centre, target - goal
    size = np.sqrt((x**2).sum((1, 2), keepdims=True))
    goal_size = np.sqrt((y**2).sum((1, 2), keepdims=True))
    x, y = x / size, y / goal_size
    u, values, vh = np.linalg.svd(x.transpose(0, 2, 1) @ y)
    sign = np.sign(np.linalg.det(u @ vh))
    u[:, :, 2] *= sign[:, None]
    values[:, 2] *= sign
    aligned = values.sum(1)[:, None, None] * goal_size * (x @ (u @ vh)) + goal
    return np.linalg.norm(aligned - target, axis=-1).mean(-1)


@pytest.fixture(scope="module")
def poses() -> tuple[np.ndarray, np.ndarray]:
    """Targets of a body's size, and predictions that are 50 mm off per axis."""
    rng = np.random.default_rng(0)
    target = rng.normal(0, 0.3, (POSES, 17, 3)).astype(np.float32)
    return (target + rng.normal(0, 0.05, target.shape)).astype(np.float32), target


@pytest.mark.benchmark(group="P-MPJPE of 200,000 poses")
def test_p_mpjpe(benchmark: BenchmarkFixture, poses: tuple[np.ndarray, np.ndarray]) -> None:
    pred, target = (torch.from_numpy(array) for array in poses)
    errors = benchmark.pedantic(p_mpjpe, (pred, target), rounds=15, warmup_rounds=2)
    np.testing.assert_allclose(errors.numpy() / 1000, textbook(*poses), atol=1e-6)


@pytest.mark.benchmark(group="P-MPJPE of 200,000 poses")
def test_p_mpjpe_by_textbook(benchmark: BenchmarkFixture, poses: tuple[np.ndarray, np.ndarray]) -> None:
    benchmark.pedantic(textbook, poses, rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="errors of 8 windows, H = 20, K = 10, F = 27")
@pytest.mark.parametrize("prefixes", [(20,), (1, 5, 10, 20)], ids=["one H", "four H"])
def test_aggregation(benchmark: BenchmarkFixture, prefixes: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    pred = torch.randn(8, 10, 20, 27, 17, 3, generator=generator) / 3
    truth = Batch(
        pose_2d=torch.randn(8, 27, 17, 2, generator=generator) / 3,
        actions=("Walking",) * 8,
        window_keys=torch.arange(8),
        pose_3d=pred[:, 0, 0] + torch.randn(8, 27, 17, 3, generator=generator) / 10,
        trajectory=torch.tensor([0.0, 0.0, 5.0]).expand(8, 27, 3),
        camera=torch.tensor([2.3, 2.3, 0, 0, -0.2, 0.2, 0, 0, 0]).expand(8, 9),
    )
    errors = benchmark.pedantic(aggregate_errors, (pred, truth), {"prefixes": prefixes}, rounds=3, warmup_rounds=1)
    assert list(errors) == list(prefixes)


@pytest.mark.benchmark(group="95 % interval, 240 takes, 2,000 resamples")
def test_interval(benchmark: BenchmarkFixture) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(500, 3000, 240)
    errors = frames * rng.normal(45, 6, 240)
    low, high = benchmark(lambda: interval(errors, frames, np.arange(240) % 15, np.random.default_rng(0)))
    assert 0 < high - low < 5
