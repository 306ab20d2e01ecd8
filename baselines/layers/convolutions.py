"""Convolutions over time in residual blocks, of the TCN (arXiv:1811.11742) and Anatomy3D.

B batch, L frames of input, C' channels of input, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.layers.linear import linear


class TimeConvolution(nn.Conv1d):
    """A valid convolution over time, in two forms: over every frame, and over frames that do not overlap."""

    def forward(self, input: Tensor, dilation: int = 1) -> Tensor:
        """Over every frame: ``[B, C', L]`` to ``[B, C, L - (width - 1) · dilation]``."""
        return nn.functional.conv1d(input, self.weight, self.bias, dilation=dilation)

    def strided(self, rows: Tensor) -> Tensor:
        """With a stride as wide as the filter: ``[B, L, C']`` to ``[B, L / width, C]``.

        One product, about twice as fast as the convolution, forward and backward (docs/performance.md).
        """
        weight = self.weight.transpose(1, 2).flatten(1)  # [C, C', width] → [C, width, C'] → [C, width·C']
        return linear(rows.reshape(len(rows), -1, weight.shape[1]), weight, self.bias)  # [B, L / width, width·C']


def residual_block(
    features: Tensor,
    convs: nn.ModuleList,
    norms: nn.ModuleList,
    dropout: nn.Dropout,
    dilation: int = 1,
    causal: bool = False,
) -> Tensor:
    """A wide convolution and one of width 1, added to the first C of the input's C' channels.

    ``[B, C', L]`` → ``[B, C, L - (width - 1) · dilation]``. The input is taken at the middle frame of the wide
    filter; ``causal``, at its last.
    """
    (wide, point), (wide_norm, point_norm) = convs, norms
    assert isinstance(wide, TimeConvolution)
    hidden = dropout(wide_norm(wide(features, dilation)).relu())
    reach = (wide.kernel_size[0] - 1) * dilation
    first = reach if causal else reach // 2
    kept = features[:, : wide.out_channels, first : first + hidden.shape[2]]  # [B, C', L] → [B, C, L - reach]
    return kept + dropout(point_norm(point(hidden)).relu())


def strided_block(
    rows: Tensor, convs: nn.ModuleList, norms: nn.ModuleList, dropout: nn.Dropout, causal: bool = False
) -> Tensor:
    """``residual_block`` over frames that do not overlap: ``[B, L, C']`` to ``[B, L / width, C]``."""
    (wide, point), (wide_norm, point_norm) = convs, norms
    assert isinstance(wide, TimeConvolution)
    assert isinstance(point, TimeConvolution)
    width = wide.kernel_size[0]
    hidden = activate(wide.strided(rows), wide_norm, dropout)
    first = width - 1 if causal else width // 2
    kept = rows[:, first::width, : wide.out_channels]  # [B, L, C'] → [B, L / width, C]
    return kept + activate(point.strided(hidden), point_norm, dropout)


def activate(rows: Tensor, norm: nn.Module, dropout: nn.Dropout) -> Tensor:
    """Norm, ReLU and dropout of ``[B, L, C]``; what is dropped is drawn as for ``[B, C, L]``, as published."""
    active = norm(rows.flatten(0, 1)).relu().view_as(rows)  # [B, L, C] → [B·L, C] → [B, L, C]
    if not (dropout.training and dropout.p):
        return active
    factors = dropout(torch.ones_like(active.transpose(1, 2), memory_format=torch.contiguous_format))
    return active * factors.transpose(1, 2)


def pairs(layers: nn.ModuleList) -> list[nn.ModuleList]:
    """The layers of each block: of its wide convolution, and of that of width 1."""
    return [layers[first : first + 2] for first in range(0, len(layers), 2)]
