"""Graph convolutions of DiffPose: over polynomials of the skeleton's graph, and over a learned graph.

N frames, J joints, C channels, S = 3 polynomials. Inner layers keep their published names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCK_DROPOUT = 0.1


class ChebyshevConvolution(nn.Module):
    """A graph convolution of ``[N, J, C]`` with one weight for each Chebyshev polynomial of the graph."""

    def __init__(self, inputs: int, outputs: int, basis: Tensor) -> None:
        super().__init__()
        self.register_buffer("basis", basis, persistent=False)
        weight = torch.randn(len(basis), 1, inputs, outputs) / (2 * inputs * outputs) ** 0.5
        self.weight: Tensor = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(1, 1, outputs))

    def forward(self, features: Tensor) -> Tensor:
        received = self.get_buffer("basis") @ features[:, None]  # [S, J, J] @ [N, 1, J, C] → [N, S, J, C]
        rows = received.transpose(1, 2).flatten(2)  # [N, S, J, C] → [N, J, S, C] → [N, J, S·C]
        return rows @ self.weight.flatten(0, 2) + self.bias  # [S, 1, C, C'] → [S·C, C']; result [N, J, C']


class ActiveConvolution(nn.Module):
    """A Chebyshev convolution, ReLU and dropout."""

    def __init__(self, channels: int, basis: Tensor) -> None:
        super().__init__()
        self.gconv = ChebyshevConvolution(channels, channels, basis)
        self.dropout = nn.Dropout(BLOCK_DROPOUT)

    def forward(self, features: Tensor) -> Tensor:
        return self.dropout(self.gconv(features).relu())


class GraphBlock(nn.Module):
    """Two convolutions and a residual; between them, the embedded time ``[N, 4 * C]`` is added to all joints."""

    def __init__(self, channels: int, basis: Tensor, timed: bool) -> None:
        super().__init__()
        self.gconv1 = ActiveConvolution(channels, basis)
        self.gconv2 = ActiveConvolution(channels, basis)
        self.temb_proj = nn.Linear(4 * channels, channels) if timed else None

    def forward(self, features: Tensor, time: Tensor | None) -> Tensor:
        hidden = self.gconv1(features)
        if self.temb_proj is not None and time is not None:
            hidden = hidden + self.temb_proj(functional.silu(time))[:, None]  # [N, C] → [N, 1, C]
        return features + self.gconv2(hidden)


class GraphFeedForward(nn.Module):
    """Two linear layers of the joints, mixed by one learned graph ``[J, J]``, which starts as no mixing."""

    def __init__(self, channels: int, joints: int) -> None:
        super().__init__()
        self.A_hat = nn.Parameter(torch.eye(joints))
        self.gconv1 = MixedLinear(channels, 2 * channels)
        self.gconv2 = MixedLinear(2 * channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        scale = (self.A_hat.sum(0) + 1e-5) ** -0.5
        graph = scale[:, None] * self.A_hat * scale
        return self.gconv2(self.gconv1(features, graph).relu(), graph)


class MixedLinear(nn.Module):
    """A linear layer after mixing joints ``[N, J, C]``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fc = nn.Linear(inputs, outputs)

    def forward(self, features: Tensor, graph: Tensor) -> Tensor:
        return self.fc(graph @ features)
