"""Prompt-driven timestamp stylization (PTS): features scaled and shifted by what time it is and what is done.

B windows, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers.linear import Linear


class Stylization(nn.Module):
    """The way of features back into the tokens (FinePOSE, arXiv:2405.05216, section 3.4).

    With ``timed`` the normalised features are scaled and shifted by the time embedding, which holds the prompt.
    The last layer starts at zero, so that a new block changes nothing.
    """

    def __init__(self, channels: int, timed: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.scale_shift = nn.Linear(channels, 2 * channels) if timed else None
        self.out = Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, tokens: Tensor, features: Tensor, time: Tensor) -> Tensor:
        """Tokens ``[..., F, J, C]`` with features of that shape added, styled by ``time`` ``[..., 1, 1, C]``."""
        styled = self.norm(features)
        if self.scale_shift is not None:
            scale, shift = self.scale_shift(functional.silu(time)).chunk(2, dim=-1)
            styled = torch.addcmul(shift, styled, 1 + scale)
        return tokens + self.out(functional.silu(styled))
