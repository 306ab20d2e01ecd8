"""TCPFormer: temporal correlations by way of a few learned proxy poses (Liu et al., arXiv:2501.01770, AAAI 2025).

Where its parts are:

- this file: attention between frames and proxy, the memory that joins them, the stages, sizes and schedules.
- ``baselines.layers.streams``: units with layer scales, streams and their fusion, tokens, training.
- ``models.layers.transformer``: attention within the frames, blocks within frames.
- ``models.inference``: the detector's confidence as a third coordinate, prediction (mean over mirror images).
- ``models.losses``: the loss.

B batch, F frames, P = F / 3 poses of the proxy, J joints, C channels, h heads, d = C / h; Q and L are numbers of
frames or of poses, whichever asks and whichever answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from baselines.layers.streams import FusedStreams, ScaledUnit, Stream, StreamsConfig, StreamsLifter
from models.config import check_at_least
from models.errors import InputError
from models.layers.linear import Linear
from models.layers.transformer import Attention
from models.lifter import SMALL_RECIPE, TINY_RECIPE, Preset, Recipe
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned

PARTS = 3
"""Parts of a window with attention of their own, and frames for every pose of the proxy."""

TINY: dict[str, Any] = {
    "frames": 9, "confidence": "one", "channels": 16, "depth": 1, "heads": 2, "mlp_ratio": 2,
    "representation": 32, "layer_scale": 1.0, "input_gain": 5.0, "table_std": 0.5, "velocity": 2.0,
}  # fmt: skip
SMALL = TINY | {"frames": 27, "channels": 32, "depth": 2, "heads": 4, "representation": 64}


@dataclass(frozen=True)
class TCPFormerConfig(StreamsConfig):
    """Size of the network, and the weights of its losses.

    Attributes:
        local_scale: factor of the attention within thirds of a window. It is neither trained nor stored, as
            released, so a checkpoint does not tell it.
    """

    local_scale: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, 0, "local_scale")
        if self.frames % PARTS:
            raise InputError(f"frames is {self.frames}, but TCPFormer cuts a window into thirds: take 27 or 243")


def by_heads(rows: Tensor, heads: int) -> Tensor:
    """``[B, L, J, C]`` to ``[B, J·h, L, d]``: the joints become heads of their own."""
    B, L, J, C = rows.shape
    return rows.reshape(B, L, J * heads, C // heads).transpose(1, 2)


def attention_map(query: Tensor, key: Tensor) -> Tensor:
    """Softmax of the scaled products of ``[..., Q, d]`` and ``[..., L, d]``: ``[..., Q, L]``."""
    return ((query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)).softmax(dim=-1)


def mix(weights: Tensor, value: Tensor) -> Tensor:
    """Rows ``[B, Q, J·h·d]`` that a map ``[B, J·h, Q, L]`` makes of values ``[B, J·h, L, d]``."""
    return (weights @ value).transpose(1, 2).flatten(2)  # [B, J·h, Q, d] → [B, Q, J·h, d] → [B, Q, J·h·d]


class CrossAttention(nn.Module):
    """Attention of some poses to others, joint by joint; it also gives its map."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.wq, self.wk, self.wv = (Linear(channels, channels, bias=False) for _ in range(3))
        self.proj = Linear(channels, channels)

    def forward(self, tokens: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, Q, J, C]`` and others ``[B, L, J, C]`` to ``[B, Q, J, C]`` and the map ``[B, J·h, Q, L]``."""
        query = by_heads(self.wq(tokens), self.heads)
        key, value = by_heads(self.wk(others), self.heads), by_heads(self.wv(others), self.heads)
        weights = attention_map(query, key)
        return self.proj(mix(weights, value).view(tokens.shape)), weights


class SummedAttention(nn.Module):
    """Self-attention over frames whose map is a weighted mean of its own and a given one."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(channels, 3 * channels, bias=False)
        self.proj = Linear(channels, channels)
        self.own_weight = nn.Parameter(torch.rand(1))

    def forward(self, tokens: Tensor, given: Tensor) -> Tensor:
        """Tokens ``[B, F, J, C]`` and a map ``[B, J·h, F, F]`` to ``[B, F, J, C]``."""
        query, key, value = (by_heads(rows, self.heads) for rows in self.qkv(tokens).chunk(3, dim=-1))
        own = self.own_weight.sigmoid()
        weights = own * attention_map(query, key) + (1 - own) * given
        return self.proj(mix(weights, value).view(tokens.shape))


class Exchange(nn.Module):
    """Frames and proxy read each other; the frames then attend to themselves, at last also by way of the proxy."""

    def __init__(self, config: TCPFormerConfig) -> None:
        super().__init__()
        size = config.channels, config.heads

        def unit(mixer: nn.Module) -> ScaledUnit:
            return ScaledUnit(config.channels, config.mlp_ratio, mixer, config.layer_scale)

        self.to_proxy = unit(CrossAttention(*size))
        self.from_proxy = unit(CrossAttention(*size))
        self.own = unit(Attention(*size, qkv_bias=False))
        self.summed = unit(SummedAttention(*size))

    def forward(self, tokens: Tensor, proxy: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens ``[B, F, J, C]`` and proxy ``[B, P, J, C]``, both updated."""
        seen = self.from_proxy.norm1(tokens)
        read, frames_in_proxy = self.to_proxy.mixer(self.to_proxy.norm1(proxy), seen)
        proxy = self.to_proxy.add(proxy, read)
        read, proxy_in_frames = self.from_proxy.mixer(seen, self.to_proxy.norm1(proxy))
        tokens = self.own(self.from_proxy.add(tokens, read))
        by_proxy = proxy_in_frames @ frames_in_proxy  # [B, J·h, F, P] @ [B, J·h, P, F] → [B, J·h, F, F]
        return self.summed.add(tokens, self.summed.mixer(self.summed.norm1(tokens), by_proxy)), proxy


class Stage(nn.Module):
    """Two streams of attentions, attention within thirds of the window, and the exchange with the proxy."""

    def __init__(self, config: TCPFormerConfig) -> None:
        super().__init__()

        def unit(scale: float, learned: bool = True) -> ScaledUnit:
            attention = Attention(config.channels, config.heads, qkv_bias=False)
            return ScaledUnit(config.channels, config.mlp_ratio, attention, scale, learned)

        spatial, temporal, later_temporal, later_spatial = (unit(config.layer_scale) for _ in range(4))
        self.streams = FusedStreams(
            config.channels,
            spatial_first=Stream(spatial, temporal),
            temporal_first=Stream(later_spatial, later_temporal, spatial_first=False),
        )
        self.parts = nn.ModuleList(unit(config.local_scale, learned=False) for _ in range(PARTS))
        self.exchange = Exchange(config)

    def forward(self, tokens: Tensor, proxy: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens ``[B, F, J, C]`` and proxy ``[B, P, J, C]``, both updated."""
        thirds = self.streams(tokens).chunk(PARTS, dim=1)
        tokens = torch.cat([part(third) for part, third in zip(self.parts, thirds, strict=True)], dim=1)
        return self.exchange(tokens, proxy)


class TCPFormer(StreamsLifter):
    """Sequence to sequence, from 2D poses and the detector's confidence."""

    title = "TCPFormer"
    Config = TCPFormerConfig
    trains_compiled_part = True
    presets = {
        "tiny": tuned("tcpformer", TCPFormerConfig(**TINY), replace(TINY_RECIPE, batch_windows=16)),
        "small": Preset(TCPFormerConfig(**SMALL), SMALL_RECIPE),
        "base": Preset(
            TCPFormerConfig(frames=81, stride=27, channels=64, depth=4, representation=128),
            Recipe(epochs=60, batch_frames=1296, learning_rate=5e-4, decay=0.99, weight_decay=0.01),
        ),
        "paper": Preset(
            TCPFormerConfig(stride=81),
            Recipe(epochs=90, batch_frames=4 * 243, learning_rate=5e-4, decay=0.99, weight_decay=0.01),
        ),
    }

    def __init__(self, config: TCPFormerConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        joints, C = len(skeleton.joints), config.channels
        self.proxy = nn.Parameter(torch.randn(config.frames // PARTS, joints, C))
        self.proxy_table = nn.Parameter(torch.randn(1, joints, C) * config.table_std)
        self.stages = nn.ModuleList(Stage(config) for _ in range(config.depth))

    def pass_stages(self, tokens: Tensor) -> Tensor:
        proxy = (self.proxy + self.proxy_table).expand(len(tokens), -1, -1, -1)  # [P, J, C] → [B, P, J, C]
        for stage in self.stages:
            tokens, proxy = stage(tokens, proxy)
        return tokens
