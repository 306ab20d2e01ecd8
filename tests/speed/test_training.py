"""Training steps of FinePOSE and its core baselines, next to plain implementations (``tests/speed/reference``)."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from baselines.tcn import TCN, TCNConfig
from bench.config.experiment import Precision
from bench.devices import autocast, keep_freed_memory
from bench.measure.compilation import compile_part, compiler, release_part
from models.diffusion.denoiser import DenoiserConfig
from models.finepose.model import FinePOSE, FinePOSEConfig
from models.layers.transformer import TrunkConfig
from models.lifter import Batch, Lifter
from tests.speed.profile import profile
from tests.speed.reference.convolutions import StridedTCN
from tests.speed.reference.pairs import d3dp_pair, finepose_pair, mixste_pair, windows

CPU = torch.device("cpu")
SIZES: dict[str, tuple[dict[str, Any], int, int, int]] = {
    "tiny, one thread": ({"frames": 9, "channels": 32, "depth": 2, "heads": 2, "drop_path": 0.0}, 8, 1, 60),
    "27 frames, 256 channels, 4 blocks": ({"frames": 27, "channels": 256, "depth": 4}, 16, 2, 5),
    "paper": ({}, 2, 2, 3),
}
"""Size → options, windows of a step, threads, pairs that are timed."""
COMPILED = {size: entry for size, entry in SIZES.items() if size != "paper"} | {
    "small, one thread": ({"frames": 27, "channels": 64, "depth": 3, "heads": 4, "drop_path": 0.0}, 8, 1, 20),
}
CONVOLUTIONS = {"tiny": (128, 60), "small": (128, 20), "base": (256, 5)}
"""Preset of the TCN → windows of a step, pairs that are timed."""
SMALLER = {"frames": 9, "channels": 32, "depth": 1, "heads": 4}
SMALL_TEXT = {"text_layers": 1, "text_heads": 4}
METHODS = {
    "MixSTE": (mixste_pair, TrunkConfig, {}),
    "D3DP": (d3dp_pair, DenoiserConfig, {}),
    "FinePOSE released": (finepose_pair, FinePOSEConfig, {"behaviour": "released"}),
    "FinePOSE described": (finepose_pair, FinePOSEConfig, {"behaviour": "described"}),
}


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def step_of(
    module: nn.Module, batch: Batch, device: torch.device = CPU, precision: Precision = "fp32"
) -> Callable[[], None]:
    """Forward, backward and optimiser, as the trainer does them."""
    trained = [parameter for parameter in module.train().parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.1, fused=True)
    batch = batch.to(device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, precision):
            loss = module.training_loss(batch)
        loss.backward()
        optimizer.step()

    return step


def loss_of(module: nn.Module) -> float:
    """Without stochastic depth, which the two draw in different orders."""
    torch.manual_seed(0)
    loss = module.eval().training_loss(windows(2, module.trunk.frame_table.shape[1])).item()
    module.train()
    return loss


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", METHODS)
def test_training(
    name: str,
    size: str,
    full_size: bool,
    benchmark: BenchmarkFixture,
    interleaved: Callable[..., float],
    outcome: Callable[..., None],
) -> None:
    make, config, options = METHODS[name]
    sizes, count, threads, pairs = SIZES[size]
    chosen = sizes if full_size else SMALLER
    text = SMALL_TEXT if name.startswith("FinePOSE") and (size != "paper" or not full_size) else {}
    torch.set_num_threads(min(threads, os.cpu_count() or 1))
    benchmark.extra_info["threads"] = torch.get_num_threads()
    keep_freed_memory()
    product, reference = make(config(**chosen, **options, **text))
    batch = windows(count if full_size else 2, product.frames)
    steps = [step_of(module, batch) for module in (product, reference)]
    assert loss_of(product) == pytest.approx(loss_of(reference), rel=1e-5)
    for step in steps:
        step()
    ratio = interleaved(*steps, rounds=pairs)
    outcome(f"{name}, training step, {size}", "≥ 1.3× the reference", ratio, 1.3, "{:.2f}×")
    if name == "D3DP":
        sides = zip(("product", "reference"), steps, strict=True)
        benchmark.extra_info["training_profile"] = {size: {side: profile(step) for side, step in sides}}
    if full_size and size == "paper" and name == "FinePOSE described":
        share = 100 * seconds_of_text(product) / benchmark.stats.stats.median
        outcome(f"{name}, training step, {size}: text", "≤ 10 % of the step", share, 10, "{:.1f} %", at_most=True)


@pytest.mark.parametrize("preset", CONVOLUTIONS)
def test_training_of_convolutions(
    preset: str, full_size: bool, interleaved: Callable[..., float], outcome: Callable[..., None]
) -> None:
    count, pairs = CONVOLUTIONS[preset] if full_size else (4, 1)
    torch.set_num_threads(1)
    keep_freed_memory()
    config = TCN.presets[preset].config if full_size else TCNConfig(filter_widths=(3, 3), channels=8)
    lifter = TCN(config)
    batch = windows(count, config.receptive_field)
    batch = replace(batch, pose_3d=batch.pose_3d[:, :1])
    plain = StridedTCN(copy.deepcopy(lifter))
    losses = []
    for module in (lifter, plain):
        torch.manual_seed(0)
        losses.append(module.train().training_loss(batch).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5), "with the same values dropped"
    steps = [step_of(module, batch) for module in (lifter, plain)]
    for step in steps:
        step()
    ratio = interleaved(*steps, rounds=pairs)
    outcome(f"TCN, training step, {preset}, one thread", "≥ 1.3× strided convolutions", ratio, 1.3, "{:.2f}×")


@pytest.mark.skipif(compiler() is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("size", COMPILED)
def test_compiled_training(
    size: str,
    full_size: bool,
    interleaved: Callable[..., float],
    outcome: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The step of ``training.compile`` beside the usual one, and what its compilation takes."""
    sizes, count, threads, pairs = COMPILED[size] if full_size else (SMALLER, 2, 1, 1)
    if not full_size:  # a test does not wait for the compiler
        monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch.set_num_threads(min(threads, os.cpu_count() or 1))
    keep_freed_memory()
    usual, compiled = (d3dp_pair(DenoiserConfig(**sizes))[0] for _ in range(2))
    steps = [step_of(module, windows(count, usual.frames)) for module in (usual, compiled)]
    compile_part(compiled, dynamic=False, setting="training.compile")
    start = time.perf_counter()
    with torch._inductor.config.patch(force_disable_caches=full_size):
        steps[1]()
    compilation = time.perf_counter() - start
    steps[0]()
    ratio = interleaved(steps[1], steps[0], rounds=pairs)
    release_part(compiled)
    what = f"D3DP, compiled training step, {size}"
    outcome(what, "≥ 1.1× the same, not compiled", ratio, 1.1, "{:.2f}×")
    if full_size:
        minutes = compilation / (1 - 1 / ratio) / 60 if ratio > 1 else float("inf")
        form = f"{{:.0f}} min ({compilation:.0f} s to compile)"
        outcome(f"{what}: pays in trainings from", "≤ 20 min", minutes, 20, form, at_most=True)


def seconds_of_text(product: Lifter) -> float:
    """Seconds of the text of a step, forward and backward."""
    from tests.speed.test_methods import seconds

    assert isinstance(product, FinePOSE)
    assert product.prompts is not None
    prompts, actions = product.prompts, sorted(set(windows(2, product.frames).actions))

    def text() -> None:
        features, pooled = prompts(actions)
        (features.sum() + pooled.sum()).backward()

    text()
    return seconds(text, times=3)
