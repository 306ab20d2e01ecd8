"""MixSTE's trunk and MixSTE itself, written plainly: what the product is compared with, in numbers and in time.

Attention matrices are stored, layouts are copied between spatial and temporal blocks, and the mirrored pose has a
pass of its own. Parameters have the names of the product's, so that its ``state_dict`` loads.

N rows, L positions, B batch, F frames, J joints, C channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from baselines.mixste import mixste_loss
from models.layers.transformer import TrunkConfig
from models.lifter import Batch, Sampling
from models.losses import joint_weights
from models.skeleton import HUMAN36M


class Attention(nn.Module):
    """Self-attention over ``[N, L, C]``: one projection to q, k and v, a stored matrix of weights."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        N, L, C = tokens.shape
        qkv = self.qkv(tokens).reshape(N, L, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(softmax_attention(*qkv).transpose(1, 2).reshape(N, L, C))


def softmax_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """``softmax(q kᵀ / sqrt(d)) v`` over ``[N, heads, L, d]``; ``mask`` is added to the scores."""
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if mask is not None:
        scores = scores + mask
    return scores.softmax(dim=-1) @ value


class Mlp(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.activation = nn.GELU()
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(tokens)))


class Block(nn.Module):
    """Pre-norm transformer block over ``[N, L, C]``; in training, whole rows leave a branch out."""

    def __init__(self, config: TrunkConfig, drop_path: float) -> None:
        super().__init__()
        C = config.channels
        self.norm1 = nn.LayerNorm(C, eps=1e-6)
        self.attn = Attention(C, config.heads)
        self.norm2 = nn.LayerNorm(C, eps=1e-6)
        self.mlp = Mlp(C, int(C * config.mlp_ratio))
        self.drop_path = drop_path

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self._sometimes(self.attn(self.norm1(tokens)))
        return tokens + self._sometimes(self.mlp(self.norm2(tokens)))

    def _sometimes(self, branch: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0:
            return branch
        keep = 1 - self.drop_path
        return branch * branch.new_empty(len(branch), 1, 1).bernoulli_(keep).div_(keep)


class Trunk(nn.Module):
    """Spatial and temporal blocks in turn, with a copy into each other's layout between them."""

    def __init__(self, config: TrunkConfig, inputs: int, joints: int) -> None:
        super().__init__()
        C = config.channels
        rates = torch.linspace(0, config.drop_path, config.depth).tolist()
        self.embedding = nn.Linear(inputs, C)
        self.joint_table = nn.Parameter(torch.zeros(1, joints, C))
        self.frame_table = nn.Parameter(torch.zeros(1, config.frames, C))
        self.spatial_blocks = nn.ModuleList(Block(config, rate) for rate in rates)
        self.temporal_blocks = nn.ModuleList(Block(config, rate) for rate in rates)
        self.spatial_norm = nn.LayerNorm(C, eps=1e-6)
        self.temporal_norm = nn.LayerNorm(C, eps=1e-6)
        self.head = nn.Sequential(nn.LayerNorm(C), nn.Linear(C, 3))

    def forward(
        self,
        pose: Tensor,
        time: Tensor | None = None,
        communicate: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Coordinates ``[B, F, J, inputs]`` to ``[B, F, J, 3]``.

        ``time`` ``[B, C]`` is added to all tokens; ``communicate`` maps ``[B, F, J, C]`` after the first block.
        """
        B, F, J, _ = pose.shape
        tokens = self.embedding(pose) + self.joint_table
        if time is not None:
            tokens = tokens + time[:, None, None].expand(B, F, J, -1)
        tokens = tokens.reshape(B * F, J, -1)
        for number, (spatial, temporal) in enumerate(zip(self.spatial_blocks, self.temporal_blocks, strict=True)):
            tokens = self.spatial_norm(spatial(tokens))
            if number == 0 and communicate is not None:
                tokens = communicate(tokens.reshape(B, F, J, -1)).reshape(B * F, J, -1)
            tokens = swap_axes(tokens, B)
            if number == 0:
                tokens = tokens + self.frame_table
            tokens = swap_axes(self.temporal_norm(temporal(tokens)), B)
        return self.head(tokens.reshape(B, F, J, -1))


def swap_axes(tokens: Tensor, batch: int) -> Tensor:
    """``[B * L, M, C]`` to ``[B * M, L, C]``, copied."""
    rows, M, C = tokens.shape
    swapped = tokens.reshape(batch, rows // batch, M, C).permute(0, 2, 1, 3).contiguous()
    return swapped.reshape(batch * M, rows // batch, C)


class MixSTE(nn.Module):
    """MixSTE (arXiv:2203.00859), one pass for the pose and one for its mirror image."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.trunk = Trunk(config, inputs=2, joints=17)
        self.weights = joint_weights(HUMAN36M)

    def training_loss(self, batch: Batch) -> Tensor:
        assert batch.pose_3d is not None
        return mixste_loss(self.trunk(batch.pose_2d), batch.pose_3d, self.weights)

    @torch.no_grad()
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        poses = self.trunk(batch.pose_2d)
        if sampling.flip:
            poses = (poses + HUMAN36M.mirror(self.trunk(HUMAN36M.mirror(batch.pose_2d)))) / 2
        poses[..., 0, :] = 0
        return poses[:, None, None]
