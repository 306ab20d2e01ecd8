"""Prompt-driven timestamp stylization (PTS): the embedded timestep and prompt scale and shift the features.

F frames, J joints, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers.linear import Linear


class Stylization(nn.Module):
    """Adds features to the tokens that they were computed from (FinePOSE, arXiv:2405.05216, section 3.4).

    With ``timed`` the normalised features are scaled and shifted by the time embedding, to which the pooled text
    was added. The last layer starts at zero, so that an untrained block changes nothing.
    """

    def __init__(self, channels: int, timed: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.scale_shift = nn.Linear(channels, 2 * channels) if timed else None
        self.out = Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, tokens: Tensor, features: Tensor, time: Tensor) -> Tensor:
        """Tokens ``[..., F, J, C]`` plus features of that shape, styled by ``time`` ``[..., 1, 1, C]``."""
        styled = self.norm(features)
        if self.scale_shift is not None:
            scale, shift = self.scale_shift(functional.silu(time)).chunk(2, dim=-1)  # [..., 2·C] → twice [..., C]
            styled = torch.addcmul(shift, styled, 1 + scale)
        return tokens + self.out(functional.silu(styled))
