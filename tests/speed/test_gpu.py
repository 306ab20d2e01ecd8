"""What a GPU gains: bfloat16 and compilation against the plain float32 reference, and the share of its peak."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.devices import synchronise
from bench.measure.compilation import compile_part
from bench.measure.counts import count_flops
from bench.measure.peak_flops import product_peak
from models.diffusion.denoiser import DenoiserConfig
from models.finepose.model import FinePOSEConfig
from models.lifter import Sampling
from tests.speed.reference.pairs import d3dp_pair, finepose_pair, windows
from tests.speed.test_training import step_of

SPEED = ("FinePOSE paper, H=20, K=2, flip, bf16 and compiled, on a GPU: speed", "≥ 5× the fp32 reference")
TRAINING = (
    "D3DP paper, training step, 4 windows, bf16 and compiled, on a GPU: speed",
    "≥ 2× the fp32 reference",
)
SHARE = ("the same: matrix products' peak in bf16", "≥ 40 %")
ROUNDS = 5


@pytest.mark.gpu(*SPEED)
@pytest.mark.gpu(*SHARE)
def test_fast_path(
    request: pytest.FixtureRequest,
    benchmark: BenchmarkFixture,
    interleaved: Callable[..., float],
    outcome: Callable[..., None],
) -> None:
    """Compiled for the shapes that occur, warmed up before anything is timed; TF32 stays off, as torch has it."""
    device = torch.device(request.config.getoption("--device"))
    product, reference = (module.to(device) for module in finepose_pair(FinePOSEConfig()))
    batch, sampling = windows(1, product.frames).to(device), Sampling(hypotheses=20, steps=2, flip=True)
    operations = count_flops(lambda: product.predict(batch, sampling))
    compile_part(product, dynamic=False)

    def fast() -> None:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            product.predict(batch, sampling)
        torch.cuda.synchronize()

    def plain() -> None:
        reference.predict(batch, sampling)
        torch.cuda.synchronize()

    for _ in range(3):
        fast()
    plain()
    outcome(*SPEED, interleaved(fast, plain, rounds=ROUNDS), 5, "{:.1f}×")
    if not benchmark.disabled:
        share = 100 * operations / benchmark.stats.stats.median / (1e9 * product_peak(device, "bf16"))
        benchmark.extra_info["device"] = torch.cuda.get_device_name(device)
        outcome(*SHARE, share, 40, "{:.0f} %")


@pytest.mark.gpu(*TRAINING)
def test_training_step(
    request: pytest.FixtureRequest,
    benchmark: BenchmarkFixture,
    interleaved: Callable[..., float],
    outcome: Callable[..., None],
) -> None:
    """A step as with ``training.compile`` and ``training.precision: bf16``."""
    device = torch.device(request.config.getoption("--device"))
    product, reference = (module.to(device) for module in d3dp_pair(DenoiserConfig()))
    compile_part(product.train(), dynamic=False, setting="training.compile")
    batch = windows(4, product.frames)
    steps = [step_of(product, batch, device, "bf16"), step_of(reference, batch, device)]
    fast, plain = (partial(_finished, step, device) for step in steps)
    for _ in range(3):
        fast()
    plain()
    outcome(*TRAINING, interleaved(fast, plain, rounds=ROUNDS), 2, "{:.1f}×")
    if not benchmark.disabled:
        benchmark.extra_info["device"] = torch.cuda.get_device_name(device)


def _finished(step: Callable[[], None], device: torch.device) -> None:
    step()
    synchronise(device)
