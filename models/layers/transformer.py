"""The spatio-temporal transformer trunk that MixSTE, D3DP and FinePOSE share.

Tokens keep one layout, ``[B, F, J, C]``, from the first layer to the last: spatial attention takes frames as
further rows, temporal attention takes joints as further heads, and neither needs a transposed copy.

B batch, F frames, J joints, C channels; inside a block N rows, L attended positions, M columns that are attended
separately, h heads, d = C / h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from models.config import WindowConfig, check_at_least, check_heads, check_positive, check_probability
from models.errors import InputError
from models.layers.coordinates import CoordinateLinear
from models.layers.linear import Linear, linear
from models.layers.residual import add_attention, add_mlp, plain_on_cpu

BLOCK_EPS = 1e-6
SHORT_SEQUENCE = 32
CUDA_ROWS = 65_535
"""Rows that are attended at once on CUDA: fused kernels lay them along a dimension of their grid that has no more
places, and fail with "invalid configuration argument" beyond. Evaluation has a row for each frame of a batch."""
CACHED_VALUES = 2**19
"""Numbers in an activation (2 MB in float32) beyond which a CPU's caches no longer hold what a block works on."""


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
        checkpointing: of activations: training keeps only the tokens between blocks and computes what is inside
            a block again in the backward pass. Same gradients, less memory, more time.
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
        check_at_least(self, 1, "depth")
        if self.mlp_ratio * self.channels < 1:
            raise InputError(f"mlp_ratio is {self.mlp_ratio}, but the hidden layer must not be empty: take 2")
        check_probability(self, "drop_path")
        check_positive(self, "input_gain")
        check_at_least(self, 0, "table_std")


TINY_TRUNK: dict[str, Any] = {
    "frames": 9, "channels": 32, "depth": 2, "heads": 2, "drop_path": 0.0, "input_gain": 5.0, "table_std": 0.5,
}  # fmt: skip
"""Size of the trunk at the ``tiny`` preset."""

SMALL_TRUNK: dict[str, Any] = TINY_TRUNK | {"frames": 27, "channels": 64, "depth": 3, "heads": 4}
"""The same at ``small``."""


class Attention(nn.Module):
    """Multi-head self-attention over L of tokens ``[N, L, M, C]``, for each of the M columns separately.

    The columns become heads of their own, ``M * heads`` in all, so that q, k and v are views of the projections
    whatever axis is attended, and the result is again ``[N, L, M, C]`` without a copy.
    """

    def __init__(
        self, channels: int, heads: int, dropout: float = 0.0, weight_dropout: float = 0.0, qkv_bias: bool = True
    ) -> None:
        """``dropout`` is that of the result, ``weight_dropout`` that of the attention weights."""
        super().__init__()
        self.heads, self.weight_dropout = heads, weight_dropout
        self.qkv = Linear(channels, 3 * channels, bias=qkv_bias)
        self.proj = Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        N, L, M, C = tokens.shape
        biases = (None,) * 3 if self.qkv.bias is None else self.qkv.bias.chunk(3)
        query, key, value = (  # [N, L, M, C] → [N, L, M·h, d] → [N, M·h, L, d]
            linear(tokens, weight, bias).view(N, L, M * self.heads, C // self.heads).transpose(1, 2)
            for weight, bias in zip(self.qkv.weight.chunk(3), biases, strict=True)
        )
        mixed = attend(query, key, value, self.weight_dropout if self.training else 0.0)
        mixed = mixed.transpose(1, 2).reshape(N, L, M, C)  # [N, M·h, L, d] → [N, L, M, C]
        return self.dropout(self.proj(mixed))


def attend(query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0) -> Tensor:
    """Softmax attention of ``[..., h, L, d]``, by the faster of two implementations with the same result.

    The fused kernel is faster for long sequences; on a CPU, plain matrix products are as fast or faster for short
    ones. There the softmax runs along columns: along rows shorter than its vectors, PyTorch computes it number by
    number. ``dropout`` is the part of the weights that is left out at random.
    """
    if query.is_cuda and len(query) > CUDA_ROWS:
        parts = zip(*(tensor.split(CUDA_ROWS) for tensor in (query, key, value)), strict=True)
        return torch.cat([attend(q, k, v, dropout) for q, k, v in parts])
    if query.is_cuda or query.shape[-2] > SHORT_SEQUENCE:
        return functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    # [..., L, d] @ [..., d, L] → [..., keys, queries]
    weights = (key @ (query * query.shape[-1] ** -0.5).transpose(-1, -2)).softmax(dim=-2)
    return functional.dropout(weights, dropout).transpose(-1, -2) @ value


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
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        attn, mlp, drop_path = self.attn, self.mlp, self.drop_path
        written_out = plain_on_cpu(tokens) and attn.dropout.p == 0
        if written_out and tokens.shape[1] <= SHORT_SEQUENCE:
            factors = drop_path.factors(tokens)
            tokens = add_attention(tokens, factors, self.norm1, attn.qkv, attn.proj, attn.heads)
        else:
            tokens = tokens + drop_path(attn(self.norm1(tokens)))
        if written_out:
            return add_mlp(tokens, drop_path.factors(tokens), self.norm2, mlp.fc1, mlp.fc2)
        return tokens + drop_path(mlp(self.norm2(tokens)))


class StochasticDepth(nn.Module):
    """In training, leaves out a branch ``[N, L, M, C]`` at random, drawn for each row and column separately."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        factors = self.factors(branch)
        return branch if factors is None else branch * factors

    def factors(self, branch: Tensor) -> Tensor | None:
        """What a branch is multiplied by, ``[N, 1, M, 1]``: 0, or what keeps its mean; None for 1."""
        if not self.training or self.rate == 0:
            return None
        keep = 1 - self.rate
        return branch.new_empty(branch.shape[0], 1, branch.shape[2], 1).bernoulli_(keep).div_(keep)


def within_frames(block: nn.Module, tokens: Tensor) -> Tensor:
    """Apply a block that attends over L to the joints of every frame of ``[B, F, J, C]``."""
    B, F, J, C = tokens.shape
    frames = tokens.reshape(B * F, J, 1, C)  # [B, F, J, C] → [B·F, J, 1, C]
    return block(frames).view(B, F, J, C)  # [B·F, J, 1, C] → [B, F, J, C]


@dataclass(frozen=True)
class DropPathRates:
    """Rates of stochastic depth: from 0 at the first block linearly to ``last`` at the last.

    They are no list: a mistyped depth must not take memory before it is refused.
    """

    last: float
    depth: int

    def __iter__(self) -> Iterator[float]:
        return (self.last * number / max(1, self.depth - 1) for number in range(self.depth))


class Trunk(nn.Module):
    """Alternating spatial and temporal blocks, from embedded tokens to coordinates.

    One spatial and one temporal norm are shared by all blocks of their kind (MixSTE, arXiv:2203.00859, section 3).
    """

    def __init__(self, config: TrunkConfig, inputs: int, joints: int) -> None:
        """``inputs``: coordinates of a joint that are embedded, 2 (2D) or 5 (2D and 3D)."""
        super().__init__()
        C = config.channels
        self.checkpointing = config.checkpointing
        rates = DropPathRates(config.drop_path, config.depth)
        self.embedding = nn.Linear(inputs, C)
        self.embedding.weight.data[:, :2] *= config.input_gain
        self.joint_table = nn.Parameter(torch.randn(1, joints, C) * config.table_std)
        self.frame_table = nn.Parameter(torch.randn(1, config.frames, C) * config.table_std)
        self.spatial_blocks = nn.ModuleList(Block(C, config.heads, config.mlp_ratio, rate) for rate in rates)
        self.temporal_blocks = nn.ModuleList(Block(C, config.heads, config.mlp_ratio, rate) for rate in rates)
        self.spatial_norm = nn.LayerNorm(C, eps=BLOCK_EPS)
        self.temporal_norm = nn.LayerNorm(C, eps=BLOCK_EPS)
        self.head = nn.Sequential(nn.LayerNorm(C), CoordinateLinear(C, 3))

    def embed(self, pose_2d: Tensor) -> Tensor:
        """The tokens' part from the 2D pose, with bias and joint table: ``[B, F, J, 2]`` to ``[B, F, J, C]``.

        A diffusion method adds ``embed_3d`` of the noisy pose to it.
        """
        return functional.linear(pose_2d, self.embedding.weight[:, :2], self.embedding.bias) + self.joint_table

    def embed_3d(self, pose_3d: Tensor) -> Tensor:
        """The tokens' part from a 3D pose: ``[..., 3]`` to ``[..., C]``."""
        return functional.linear(pose_3d, self.embedding.weight[:, 2:])

    def forward(self, tokens: Tensor, communicate: Callable[[Tensor, slice], Tensor] | None = None) -> Tensor:
        """Tokens ``[B, F, J, C]`` to coordinates ``[B, F, J, 3]``.

        On a CPU, windows are computed in parts small enough for its caches. ``communicate`` is called between the
        first spatial block and the frame table, with the tokens of some windows and the slice of the B that they
        are; it returns the tokens to go on with.
        """
        B = len(tokens)
        size = B if tokens.is_cuda else max(1, CACHED_VALUES // tokens[0].numel())
        parts = [slice(first, min(first + size, B)) for first in range(0, B, size)]
        lifted = [self.lift(tokens[part], part, communicate) for part in parts]
        return lifted[0] if len(lifted) == 1 else torch.cat(lifted)

    def lift(self, tokens: Tensor, part: slice, communicate: Callable[[Tensor, slice], Tensor] | None) -> Tensor:
        """``forward`` of one part of the windows; ``tokens`` are those of ``part`` alone."""
        for number, (spatial, temporal) in enumerate(zip(self.spatial_blocks, self.temporal_blocks, strict=True)):
            tokens = self.spatial_norm(self._through(within_frames, spatial, tokens))
            if number == 0:
                tokens = tokens if communicate is None else communicate(tokens, part)
                tokens = tokens + self.frame_table[:, :, None]  # [1, F, C] → [1, F, 1, C]
            tokens = self.temporal_norm(self._through(temporal, tokens))
        return self.head(tokens)

    def _through(self, block: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """``block(*inputs)``, without keeping its inner activations for the backward pass if so configured."""
        if self.checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False)
        return block(*inputs)
