from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from bench.measure.counts import count_flops

B, H, L, C = 3, 4, 40, 8


def attention() -> torch.Tensor:
    q, k, v = (torch.randn(B, H, L, C) for _ in range(3))
    return functional.scaled_dot_product_attention(q, k, v)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_fused_attention_counts(mode: type) -> None:
    with mode():
        assert count_flops(attention) == 2 * 2 * B * H * L * L * C


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_transformer_layer_counts_what_its_products_are(mode: type) -> None:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()
    tokens = 3 * 20
    linear = 2 * tokens * (3 * 16 * 16 + 16 * 16 + 2 * 16 * 32)
    products = 2 * 2 * 3 * 20 * 20 * 16
    with mode():
        assert count_flops(lambda: layer(torch.randn(3, 20, 16))) == linear + products
    assert torch.backends.mha.get_fastpath_enabled()


def test_convolutions_and_vectors_count() -> None:
    convolution = nn.Conv1d(5, 7, 3)
    assert count_flops(lambda: convolution(torch.randn(2, 5, 12))) == 2 * 2 * 5 * 7 * 3 * 10
    assert count_flops(lambda: torch.randn(4, 6) @ torch.randn(6)) == 2 * 4 * 6
    assert count_flops(lambda: torch.randn(6) @ torch.randn(6)) == 2 * 6
