"""Speed of the transformer methods, next to plain implementations of the same (``tests/speed/reference``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn
from torch.nn import functional

from bench.measure.counts import count_flops
from models.diffusion.denoiser import DenoiserConfig
from models.finepose.model import FinePOSEConfig
from models.layers.linear import convolutions_pay, linear
from models.layers.transformer import TrunkConfig
from models.lifter import Lifter, Sampling
from tests.speed.profile import profile
from tests.speed.reference.pairs import d3dp_pair, finepose_pair, mixste_pair, windows

SMALL = {"frames": 9, "channels": 32, "depth": 1, "heads": 4}
SMALL_TEXT = {"text_layers": 1, "text_heads": 4}
PASS = Sampling(hypotheses=1, steps=1, flip=False)
PAIRS = {"D3DP": d3dp_pair, "FinePOSE": finepose_pair, "MixSTE": mixste_pair}
CONFIGS = {"D3DP": DenoiserConfig, "FinePOSE": FinePOSEConfig, "MixSTE": TrunkConfig}
PEAK_SIZE = 2048

Outcome = Callable[..., None]
Interleaved = Callable[..., float]


def pair_of(name: str, full_size: bool) -> tuple[Lifter, nn.Module]:
    """A method at ``paper`` size, else at a very small one, and its reference.

    They are checked to be equal by one window-pass, which warms both up.
    """
    small = {} if full_size else SMALL | (SMALL_TEXT if name == "FinePOSE" else {})
    pair = PAIRS[name](CONFIGS[name](**small))
    ours, theirs = (module.predict(windows(1, pair[0].frames), PASS) for module in pair)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    return pair


def seconds(call: Callable[[], object], times: int) -> float:
    """Median duration of a call that is warm."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return median(found)


def matmul_peak() -> float:
    """Operations per second of a product of square float32 matrices, by the faster of the CPU's two ways."""
    left, right = torch.randn(2, PEAK_SIZE, PEAK_SIZE)
    ways = (lambda: left @ right, lambda: linear(left, right))
    return 2 * PEAK_SIZE**3 / min(seconds(way, times=6) for way in ways)


def test_linear(full_size: bool, interleaved: Interleaved, outcome: Outcome) -> None:
    """The layer of one window that is widest, as the methods compute it and as PyTorch does."""
    if not convolutions_pay():
        pytest.skip("on this CPU the methods compute it as PyTorch does")
    rows, channels = (243 * 17, 512) if full_size else (17, 8)
    tokens, weight, bias = (
        torch.randn(rows, channels),
        torch.randn(2 * channels, channels),
        torch.randn(2 * channels),
    )
    ordinary = functional.linear(tokens, weight, bias)
    torch.testing.assert_close(linear(tokens, weight, bias), ordinary, atol=1e-3, rtol=1e-4)
    with torch.inference_mode():
        ratio = interleaved(
            lambda: linear(tokens, weight, bias), lambda: functional.linear(tokens, weight, bias), rounds=50
        )
    outcome("linear layer of one window, 512 to 1,024 channels", "≥ 1× PyTorch's", ratio, 1, "{:.2f}×")


def test_mixste(full_size: bool, interleaved: Interleaved, outcome: Outcome) -> None:
    product, reference = pair_of("MixSTE", full_size)
    batch = windows(1, product.frames)
    ratio = interleaved(lambda: product.predict(batch, PASS), lambda: reference.predict(batch, PASS), rounds=5)
    outcome("MixSTE paper, one window, fp32: speed", "≥ 1.4× the reference", ratio, 1.4, "{:.2f}×")


@pytest.mark.parametrize("name", ["D3DP", "FinePOSE"])
def test_denoising(
    name: str, full_size: bool, benchmark: BenchmarkFixture, interleaved: Interleaved, outcome: Outcome
) -> None:
    product, reference = pair_of(name, full_size)
    batch, sampling = windows(1, product.frames), Sampling(hypotheses=5, steps=2, flip=True)
    operations = 20 * count_flops(lambda: product.predict(batch, PASS))
    peaks: list[float] = []
    ratio = interleaved(
        lambda: product.predict(batch, sampling),
        lambda: reference.predict(batch, sampling),
        rounds=2,
        first=lambda: peaks.append(matmul_peak()),
    )
    what = f"{name} paper, H=5, K=2, flip, fp32"
    outcome(f"{what}: speed", "≥ 1.5× the reference", ratio, 1.5, "{:.2f}×")
    if full_size:
        share = 100 * operations / benchmark.stats.stats.median / median(peaks)
        benchmark.extra_info["peak_gflops"] = round(median(peaks) / 1e9, 1)
        outcome(f"{what}: matrix products' peak", "≥ 72 %", share, 72, "{:.0f} %")


@pytest.mark.parametrize("name", ["MixSTE", "D3DP", "FinePOSE"])
def test_profile(name: str, full_size: bool, benchmark: BenchmarkFixture) -> None:
    """One window-pass of the reference and of the product, for the page of results."""
    pair = pair_of(name, full_size)
    batch = windows(1, pair[0].frames)
    benchmark.extra_info["profile"] = {
        label: profile(lambda module=module: module.predict(batch, PASS))
        for label, module in zip(("product", "reference"), pair, strict=True)
    }
    benchmark.pedantic(lambda: pair[0].predict(batch, PASS), rounds=1)
