"""Layers in the manner of "The Annotated Transformer" (Rush, NLP-OSS 2018), used by P-STMO and DiffPose.

They differ from torch's own: the norm divides by the unbiased standard deviation, and an attention has four
separate linear layers. N rows, L attended positions, C channels, h heads, d = C / h.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.layers.transformer import attend

NORM_EPS = 1e-6


class UnbiasedNorm(nn.Module):
    """Layer norm with the unbiased standard deviation (n - 1), and eps added to it, not to the variance."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a_2 = nn.Parameter(torch.ones(channels))
        self.b_2 = nn.Parameter(torch.zeros(channels))

    def forward(self, tokens: Tensor) -> Tensor:
        deviation, mean = torch.std_mean(tokens, dim=-1, keepdim=True)
        return self.a_2 * ((tokens - mean) / (deviation + NORM_EPS)) + self.b_2


class SeparateAttention(nn.Module):
    """Multi-head self-attention over L of ``[N, L, C]``; ``linears`` are query, key, value and output.

    ``dropout`` is that of the attention weights.
    """

    def __init__(self, channels: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.linears = nn.ModuleList(nn.Linear(channels, channels) for _ in range(4))

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = (  # [N, L, C] → [N, L, h, d] → [N, h, L, d]
            linear(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2) for linear in self.linears[:3]
        )
        mixed = attend(query, key, value, self.dropout if self.training else 0.0)
        mixed = mixed.transpose(1, 2).flatten(2)  # [N, h, L, d] → [N, L, h, d] → [N, L, C]
        return self.linears[3](mixed)


class Residual(nn.Module):
    """``tokens + dropout(branch(norm(tokens)))``; a strided branch is added to every stride-th position."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.norm = UnbiasedNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, branch: Callable[[Tensor], Tensor], stride: int = 1) -> Tensor:
        return tokens[:, ::stride] + self.dropout(branch(self.norm(tokens)))
