"""``evaluation.precision`` and ``training.precision``: bf16 beside fp32, of the same network.

It pays where the CPU has instructions for it and products are large; elsewhere these rows fall short.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from bench.config.experiment import Precision
from bench.devices import autocast, keep_freed_memory
from tests.speed.reference.pairs import windows
from tests.speed.test_methods import CONFIGS, PAIRS, PASS, SMALL, SMALL_TEXT
from tests.speed.test_training import step_of

CPU = torch.device("cpu")
SIZES: dict[str, tuple[dict[str, Any], int, int]] = {
    "81 frames, 128 channels, 4 blocks": (
        {"frames": 81, "channels": 128, "depth": 4, "heads": 8, "mlp_ratio": 2.0},
        8,
        9,
    ),
    "81 frames, 256 channels, 6 blocks": ({"frames": 81, "channels": 256, "depth": 6}, 4, 9),
    "paper": ({}, 2, 5),
}
"""Size → options, windows of a training step, pairs that are timed."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CONFIGS)
def test_prediction(
    name: str, size: str, full_size: bool, interleaved: Callable[..., float], outcome: Callable[..., None]
) -> None:
    sizes, _, pairs = SIZES[size]
    text = SMALL_TEXT if name == "FinePOSE" and (size != "paper" or not full_size) else {}
    lifter, _ = PAIRS[name](CONFIGS[name](**(sizes if full_size else SMALL), **text))
    batch = windows(1, lifter.frames)

    def predict(precision: Precision) -> torch.Tensor:
        with autocast(CPU, precision):
            return lifter.predict(batch, PASS)

    exact, rounded = predict("fp32"), predict("bf16")
    torch.testing.assert_close(rounded.float(), exact, atol=0.05 * float(exact.abs().max()), rtol=0)
    ratio = interleaved(partial(predict, "bf16"), partial(predict, "fp32"), rounds=pairs)
    outcome(f"{name}, one window, {size}: bf16", "≥ 1.3× the same in fp32", ratio, 1.3, "{:.2f}×")


@pytest.mark.parametrize("size", SIZES)
def test_training(
    size: str, full_size: bool, interleaved: Callable[..., float], outcome: Callable[..., None]
) -> None:
    sizes, count, pairs = SIZES[size]
    keep_freed_memory()
    chosen = CONFIGS["D3DP"](**(sizes if full_size else SMALL))
    usual, rounded = (PAIRS["D3DP"](chosen)[0] for _ in range(2))
    batch = windows(count, usual.frames)
    steps = [step_of(usual, batch), step_of(rounded, batch, precision="bf16")]
    for step in steps:
        step()
    ratio = interleaved(steps[1], steps[0], rounds=pairs)
    outcome(f"D3DP, training step, {size}: bf16", "≥ 1.3× the same in fp32", ratio, 1.3, "{:.2f}×")
