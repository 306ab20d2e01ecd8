"""Speed of the protocol."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from baselines.d3dp import D3DP
from bench.protocol.aggregation import aggregate_errors, computed_aggregations
from bench.protocol.metrics import p_mpjpe
from bench.results.statistics.bootstrap import interval
from models.diffusion.denoiser import DenoiserConfig
from models.layers.transformer import TINY_TRUNK
from models.lifter import Batch, Sampling
from tests.speed.reference.pairs import windows

POSES = 200_000
EVALUATED: dict[str, tuple[dict[str, Any], int, int, int, int, Sampling]] = {
    "paper": ({}, 2, 20, 10, 1, Sampling(hypotheses=1, steps=1, flip=True)),
    "tiny": (TINY_TRUNK, 33, 5, 5, 33, Sampling(hypotheses=5, steps=5, flip=True)),
}
"""Size → options, windows, H, K, and the windows and sampling that are timed in their place."""


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


def test_p_mpjpe(
    poses: tuple[np.ndarray, np.ndarray], interleaved: Callable[..., float], outcome: Callable[..., None]
) -> None:
    pred, target = (torch.from_numpy(array) for array in poses)
    np.testing.assert_allclose(p_mpjpe(pred, target).numpy() / 1000, textbook(*poses), atol=1e-6)
    ratio = interleaved(lambda: p_mpjpe(pred, target), lambda: textbook(*poses), rounds=15)
    outcome("P-MPJPE of 200,000 poses", "≥ 10× the textbook's", ratio, 10, "{:.1f}×")


@pytest.mark.benchmark(group="errors of 8 windows, H = 20, K = 10, F = 27")
@pytest.mark.parametrize("prefixes", [(20,), (1, 5, 10, 20)], ids=["one H", "four H"])
def test_aggregation(benchmark: BenchmarkFixture, prefixes: tuple[int, ...]) -> None:
    truth = windows(8, 27)
    pred = hypotheses(truth)
    errors = benchmark.pedantic(aggregate_errors, (pred, truth), {"prefixes": prefixes}, rounds=3, warmup_rounds=1)
    assert list(errors) == list(prefixes)


@pytest.mark.parametrize("size", EVALUATED)
def test_evaluation_beside_sampling(
    size: str, full_size: bool, benchmark: BenchmarkFixture, outcome: Callable[..., None]
) -> None:
    """Errors of some windows, under the aggregations that every evaluation computes, against their sampling.

    At ``paper`` size one window-pass is timed, K times H of which make a window; both are proportional to the
    number of windows, so their ratio is that of a whole test split. At ``tiny`` a whole batch is timed.
    """
    options, count, H, K, timed_windows, timed = EVALUATED[size]
    if not full_size:
        options = {"frames": 9, "channels": 32, "depth": 1, "heads": 4}
    lifter = D3DP(DenoiserConfig(**options)).eval()
    truth, sampled = windows(count, lifter.frames), windows(timed_windows, lifter.frames)
    pred = hypotheses(truth, H, K)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        lifter.predict(sampled, timed)
        times.append(time.perf_counter() - start)
    usual = {"aggregations": computed_aggregations()}
    benchmark.pedantic(aggregate_errors, (pred, truth), usual, rounds=5, warmup_rounds=1)
    if full_size:
        passes = count * H * K / (timed_windows * timed.hypotheses * timed.steps)
        share = 100 * benchmark.stats.stats.median / (passes * median(times))
        what = f"P-MPJPE and the usual aggregations, D3DP {size}, H={H}, K={K}, flip"
        outcome(what, "≤ 5 % of sampling", share, 5, "{:.2f} %", at_most=True)


def hypotheses(truth: Batch, H: int = 20, K: int = 10) -> torch.Tensor:
    """``[B, K, H, F, J, 3]``: K steps of H hypotheses 100 mm off the truth per axis."""
    assert truth.pose_3d is not None
    pose = truth.pose_3d[:, None, None]
    noise = torch.randn(len(truth), K, H, *pose.shape[3:], generator=torch.Generator().manual_seed(0))
    return pose + noise / 10


@pytest.mark.benchmark(group="95 % interval, 240 takes, 2,000 resamples")
def test_interval(benchmark: BenchmarkFixture) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(500, 3000, 240)
    errors = frames * rng.normal(45, 6, 240)
    seeds = itertools.count()  # a new one each time: weights of a seed are remembered
    low, high = benchmark(lambda: interval(errors, frames, np.arange(240) % 15, next(seeds)))
    assert 0 < high - low < 5
