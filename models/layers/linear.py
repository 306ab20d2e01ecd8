"""Linear layers that some CPUs compute faster as convolutions of one point.

The BLAS that PyTorch is built with, MKL, keeps its fastest kernels for Intel's CPUs. On other CPUs oneDNN's
convolutions are faster for large products (docs/performance.md), so these are computed as convolutions there.

P points (all axes but the last), I input channels, O output channels.
"""

from __future__ import annotations

import platform
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGE_PRODUCT = 2**27
"""Multiplications in a product beyond which the faster convolution makes up for its longer set-up."""


def _convolutions_pay() -> bool:
    processor = platform.processor()
    with suppress(OSError):
        processor += Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    backends = torch.backends
    return backends.mkl.is_available() and backends.mkldnn.is_available() and "GenuineIntel" not in processor


CONVOLUTIONS_PAY = _convolutions_pay()
"""Whether this CPU computes large products faster as convolutions."""


class Linear(nn.Linear):
    """``nn.Linear`` computed by the function ``linear``."""

    def forward(self, rows: Tensor) -> Tensor:
        return linear(rows, self.weight, self.bias)


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``rows @ weight.T + bias`` of rows ``[..., I]`` and a weight ``[O, I]``: ``[..., O]``, contiguous."""
    if rows.device.type != "cpu" or not CONVOLUTIONS_PAY or rows.numel() * len(weight) < LARGE_PRODUCT:
        return functional.linear(rows, weight, bias)
    points = rows.reshape(1, -1, 1, rows.shape[-1]).permute(0, 3, 1, 2)  # [..., I] → [1, P, 1, I] → [1, I, P, 1]
    products = functional.conv2d(points, weight[:, :, None, None], bias)  # [1, O, P, 1]
    # [1, O, P, 1] → [1, P, 1, O] → [..., O]
    return products.permute(0, 2, 3, 1).reshape(*rows.shape[:-1], len(weight))
