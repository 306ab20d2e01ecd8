"""The reference that benchmarks compare with computes what the product computes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.diffusion.denoiser import DenoiserConfig
from models.finepose.model import FinePOSEConfig
from models.layers.transformer import TrunkConfig
from models.lifter import Lifter, Sampling
from tests.speed.reference.pairs import d3dp_pair, finepose_pair, mixste_pair, windows

SIZE = {"channels": 32, "depth": 2, "heads": 4, "drop_path": 0.3}
PAIRS = {
    "MixSTE": (mixste_pair, TrunkConfig, {}),
    "D3DP": (d3dp_pair, DenoiserConfig, {"scale": 2.0}),
    "FinePOSE": (finepose_pair, FinePOSEConfig, {"text_layers": 1, "text_heads": 4}),
    "FinePOSE released": (
        finepose_pair,
        FinePOSEConfig,
        {"text_layers": 1, "text_heads": 4, "behaviour": "released"},
    ),
}


def pair_of(name: str, frames: int) -> tuple[Lifter, nn.Module]:
    make, config, options = PAIRS[name]
    return make(config(frames=frames, **SIZE, **options))


@pytest.mark.parametrize("frames", [9, 41], ids=["short", "long"])
@pytest.mark.parametrize("flip", [False, True], ids=["plain", "flip"])
@pytest.mark.parametrize("name", PAIRS)
def test_predictions_are_equal(name: str, flip: bool, frames: int) -> None:
    product, reference = pair_of(name, frames)
    batch, sampling = windows(2, frames), Sampling(hypotheses=3, steps=2, flip=flip)
    torch.testing.assert_close(
        product.predict(batch, sampling), reference.predict(batch, sampling), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("frames", [9, 41], ids=["short", "long"])
@pytest.mark.parametrize("name", PAIRS)
def test_gradients_are_equal(name: str, frames: int) -> None:
    product, reference = pair_of(name, frames)
    for module in (product.train(), reference.train()):
        torch.manual_seed(0)
        module.training_loss(windows(3, frames)).backward()
    theirs = dict(reference.named_parameters())
    for key, parameter in product.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, theirs[key].grad, atol=1e-6, rtol=1e-4, msg=key)
