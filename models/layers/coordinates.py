"""Layers whose outputs are coordinates: computed in float32 also under autocast.

bf16 keeps eight significant bits, up to 4 mm of a joint a metre away. In MPJPE that averages out; in velocity and
acceleration it does not (docs/measurement.md).
"""

from __future__ import annotations

from torch import Tensor, nn

from models.inference import full_precision


class FullPrecision(nn.Module):
    """Before the class of a layer: its forward pass is in the precision of its weight."""

    weight: Tensor

    def forward(self, features: Tensor) -> Tensor:
        with full_precision(features.device):
            return super().forward(features.to(self.weight.dtype))


class CoordinateLinear(FullPrecision, nn.Linear):
    """``[..., I]`` to coordinates ``[..., O]``."""


class CoordinateConv1d(FullPrecision, nn.Conv1d):
    """``[B, I, T]`` to coordinates ``[B, O, T]``."""
