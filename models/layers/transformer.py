"""The spatio-temporal transformer trunk that MixSTE, D3DP and FinePOSE share.

Tokens keep one layout, ``[B, F, J, C]``, from the first layer to the last: spatial attention sees the frames as
batch, temporal attention sees the joints as further heads, and neither needs a transposed copy.

B batch, F frames, J joints, C channels; inside a block N rows, L attended positions, M columns attended apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from models.config import WindowConfig, check_heads
from models.errors import InputError
from models.layers.linear import Linear, linear

BLOCK_EPS = 1e-6
SHORT_SEQUENCE = 32
CACHED_VALUES = 2**21
"""Numbers in an activation (8 MB in float32) beyond which a CPU's caches no longer hold what a block works on."""


@dataclass(frozen=True)
class TrunkConfig(WindowConfig):
    """Size of the trunk.

    Attributes:
        channels: C, even and divisible by ``heads``.
        depth: pairs of one spatial and one temporal block.
        heads: of every attention.
        mlp_ratio: hidden width of a block's MLP over C.
        drop_path: stochastic depth of the last block; it grows linearly from 0 at the first.
        input_gain: factor on the initial weights of the 2D coordinates. A person covers a small part of the
            screen, so with the published 1 short trainings hardly see the pose beside biases and noise.
        table_std: standard deviation of the initial joint and frame tables; the published 0 takes many steps to
            tell joints apart.
        checkpointing: of activations: training keeps the tokens between blocks only and computes what is inside
            them again on the way back, to the same gradients, in less memory and more time.

    Raises:
        InputError: a value out of its range.
    """

    channels: int = 512
    depth: int = 8
    heads: int = 8
    mlp_ratio: float = 2.0
    drop_path: float = 0.1
    input_gain: float = 1.0
    table_std: float = 0.0
    checkpointing: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.channels, self.heads)
        if self.depth < 1:
            raise InputError(f"depth is {self.depth}, but the trunk needs at least 1 pair of blocks")
        if self.mlp_ratio * self.channels < 1:
            raise InputError(f"mlp_ratio is {self.mlp_ratio}, but the hidden layer must not be empty: take 2")
        if not 0 <= self.drop_path < 1:
            raise InputError(f"drop_path is {self.drop_path}, but it is a probability below 1: take 0.1")
        if self.input_gain <= 0 or self.table_std < 0:
            raise InputError(
                f"input_gain is {self.input_gain} and table_std is {self.table_std}: take 1 and 0, as published"
            )


class Attention(nn.Module):
    """Multi-head self-attention over L of tokens ``[N, L, M, C]``, each of the M columns on its own.

    The columns become heads of their own, ``M * heads`` in all, so that q, k and v are views of the projections
    whatever axis is attended, and the result is again ``[N, L, M, C]`` without a copy.
    """

    def __init__(self, channels: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(channels, 3 * channels)
        self.proj = Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        N, L, M, C = tokens.shape
        query, key, value = (
            linear(tokens, weight, bias).view(N, L, M * self.heads, C // self.heads).transpose(1, 2)
            for weight, bias in zip(self.qkv.weight.chunk(3), self.qkv.bias.chunk(3), strict=True)
        )
        mixed = attend(query, key, value)
        return self.dropout(self.proj(mixed.transpose(1, 2).reshape(N, L, M, C)))


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention over ``[..., heads, L, C / heads]``, by the faster of two equal ways.

    The fused kernel pays for long sequences; on a CPU, plain matrix products are as fast or faster for short ones.
    """
    if query.is_cuda or query.shape[-2] > SHORT_SEQUENCE:
        return functional.scaled_dot_product_attention(query, key, value)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return scores.softmax(dim=-1) @ value


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, channels: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc1 = Linear(channels, hidden)
        self.fc2 = Linear(hidden, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.dropout(functional.gelu(self.fc1(tokens)))
        return self.dropout(self.fc2(hidden))


class Block(nn.Module):
    """Pre-norm transformer block over L of ``[N, L, M, C]``, with stochastic depth per row and column."""

    def __init__(
        self, channels: int, heads: int, mlp_ratio: float, drop_path: float, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=BLOCK_EPS)
        self.attn = Attention(channels, heads, dropout)
        self.norm2 = nn.LayerNorm(channels, eps=BLOCK_EPS)
        self.mlp = Mlp(channels, int(channels * mlp_ratio), dropout)
        self.sometimes = StochasticDepth(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.sometimes(self.attn(self.norm1(tokens)))
        return tokens + self.sometimes(self.mlp(self.norm2(tokens)))


class StochasticDepth(nn.Module):
    """In training, leaves out a branch ``[N, L, M, C]`` at random, each row and column on its own."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return branch
        keep = 1 - self.rate
        kept = branch.new_empty(branch.shape[0], 1, branch.shape[2], 1).bernoulli_(keep)
        return branch * (kept / keep)


def within_frames(block: nn.Module, tokens: Tensor) -> Tensor:
    """Apply a block that attends over L to the joints of every frame of ``[B, F, J, C]``."""
    B, F, J, C = tokens.shape
    return block(tokens.reshape(B * F, J, 1, C)).view(B, F, J, C)


def growing(last: float, depth: int) -> list[float]:
    """Rates of stochastic depth: from 0 at the first block linearly to ``last`` at the last."""
    return [last * number / max(1, depth - 1) for number in range(depth)]


class Trunk(nn.Module):
    """Alternating spatial and temporal blocks, from embedded tokens to coordinates.

    One spatial and one temporal norm are shared by all blocks of their kind (MixSTE, arXiv:2203.00859, section 3).
    """

    def __init__(self, config: TrunkConfig, inputs: int, joints: int) -> None:
        """``inputs``: coordinates of a joint that are embedded, 2 (2D) or 5 (2D and 3D)."""
        super().__init__()
        C = config.channels
        self.checkpointing = config.checkpointing
        rates = growing(config.drop_path, config.depth)
        self.embedding = nn.Linear(inputs, C)
        self.embedding.weight.data[:, :2] *= config.input_gain
        self.joint_table = nn.Parameter(torch.randn(1, joints, C) * config.table_std)
        self.frame_table = nn.Parameter(torch.randn(1, config.frames, C) * config.table_std)
        self.spatial_blocks = nn.ModuleList(Block(C, config.heads, config.mlp_ratio, rate) for rate in rates)
        self.temporal_blocks = nn.ModuleList(Block(C, config.heads, config.mlp_ratio, rate) for rate in rates)
        self.spatial_norm = nn.LayerNorm(C, eps=BLOCK_EPS)
        self.temporal_norm = nn.LayerNorm(C, eps=BLOCK_EPS)
        self.head = nn.Sequential(nn.LayerNorm(C), nn.Linear(C, 3))

    def embed(self, pose_2d: Tensor) -> Tensor:
        """The part of the tokens that follows from the 2D pose: ``[B, F, J, 2]`` to ``[B, F, J, C]``.

        It holds the bias and the joint table; ``embed_3d`` of a pose is added to it where there is one.
        """
        return functional.linear(pose_2d, self.embedding.weight[:, :2], self.embedding.bias) + self.joint_table

    def embed_3d(self, pose_3d: Tensor) -> Tensor:
        """The part of the tokens that follows from a 3D pose: ``[..., 3]`` to ``[..., C]``."""
        return functional.linear(pose_3d, self.embedding.weight[:, 2:])

    def forward(self, tokens: Tensor, communicate: Callable[[Tensor, slice], Tensor] | None = None) -> Tensor:
        """Tokens ``[B, F, J, C]`` to coordinates ``[B, F, J, 3]``.

        On a CPU, windows go through in parts that its caches hold.

        Args:
            tokens: embedded.
            communicate: maps tokens of some windows, and which of the B they are, to tokens between the first
                spatial block and the frame table.
        """
        B = len(tokens)
        size = B if tokens.is_cuda else max(1, CACHED_VALUES // tokens[0].numel())
        parts = [slice(first, min(first + size, B)) for first in range(0, B, size)]
        lifted = [self.lift(tokens[part], part, communicate) for part in parts]
        return lifted[0] if len(lifted) == 1 else torch.cat(lifted)

    def lift(self, tokens: Tensor, part: slice, communicate: Callable[[Tensor, slice], Tensor] | None) -> Tensor:
        """``forward`` of the windows ``part``, whose tokens these are, at once."""
        for number, (spatial, temporal) in enumerate(zip(self.spatial_blocks, self.temporal_blocks, strict=True)):
            tokens = self.spatial_norm(self._through(within_frames, spatial, tokens))
            if number == 0:
                tokens = tokens if communicate is None else communicate(tokens, part)
                tokens = tokens + self.frame_table[:, :, None]
            tokens = self.temporal_norm(self._through(temporal, tokens))
        return self.head(tokens)

    def _through(self, block: Callable[..., Tensor], *inputs: Any) -> Tensor:
        if self.checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False)
        return block(*inputs)
