"""The momentum of batch norms, which VideoPose3D and its descendants let fall over a training."""

from __future__ import annotations

from torch import nn

FIRST_MOMENTUM, LAST_MOMENTUM = 0.1, 0.001
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def decay_norm_momentum(module: nn.Module, done: float) -> None:
    """Let batch norms average over ever more steps, exponentially (VideoPose3D, arXiv:1811.11742).

    Args:
        module: with batch norms in it.
        done: part of the training, from 0 to 1.
    """
    momentum = FIRST_MOMENTUM * (LAST_MOMENTUM / FIRST_MOMENTUM) ** done
    for layer in module.modules():
        if isinstance(layer, BATCH_NORMS):
            layer.momentum = momentum
