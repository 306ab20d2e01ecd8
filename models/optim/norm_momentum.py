"""The momentum of batch norms, which VideoPose3D and its descendants let fall over a training."""

from __future__ import annotations

from torch import nn

FIRST_MOMENTUM, LAST_MOMENTUM = 0.1, 0.001


def decay_norm_momentum(module: nn.Module, done: float) -> None:
    """Let the batch norms in a module average over ever more steps, exponentially (VideoPose3D, arXiv:1811.11742).

    ``done`` is the part of the training that is done, from 0 to 1.
    """
    momentum = FIRST_MOMENTUM * (LAST_MOMENTUM / FIRST_MOMENTUM) ** done
    for layer in module.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)):
            layer.momentum = momentum
