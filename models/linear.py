"""Linear layers that a CPU computes as convolutions of one point.

oneDNN's convolutions reach more of a CPU's arithmetic than the matrix products of the BLAS that
PyTorch is built with (docs/performance.md); small products and other devices keep the ordinary way.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGE_PRODUCT = 2**27
"""Multiplications beyond which a convolution's longer way to its first multiplication pays."""


class Linear(nn.Linear):
    """``nn.Linear``, by ``linear``."""

    def forward(self, rows: Tensor) -> Tensor:
        return linear(rows, self.weight, self.bias)


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``rows @ weight.T + bias`` of rows ``[..., I]`` and a weight ``[O, I]``: ``[..., O]``, contiguous."""
    if rows.is_cuda or rows.numel() * len(weight) < LARGE_PRODUCT or not torch.backends.mkldnn.is_available():
        return functional.linear(rows, weight, bias)
    points = rows.reshape(1, -1, 1, rows.shape[-1]).permute(0, 3, 1, 2)
    products = functional.conv2d(points, weight[:, :, None, None], bias)
    return products.permute(0, 2, 3, 1).reshape(*rows.shape[:-1], len(weight))
