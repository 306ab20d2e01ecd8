"""What changes over a training: learning rates, which recipes name, and the momentum of norms."""

from __future__ import annotations

import math
from typing import Literal

from torch import nn

OptimizerName = Literal["adamw", "adam", "amsgrad", "ranger"]
Schedule = Literal["exponential", "halving", "cosine", "staircase"]

HALVED_EVERY = 5
STAIR = 60
FIRST_MOMENTUM, LAST_MOMENTUM = 0.1, 0.001


def learning_rate(schedule: Schedule, first: float, decay: float, done: float, epochs: int) -> float:
    """The learning rate after ``done`` (whole or not) of ``epochs`` epochs.

    Args:
        schedule:
            - "exponential": times ``decay`` per epoch, a little of it at every step.
            - "halving": times ``decay`` after an epoch, but times 0.5 after every fifth (MHFormer,
              arXiv:2111.12707).
            - "cosine": half a cosine from ``first`` to ``decay`` times ``first`` at the end (arXiv:1608.03983).
            - "staircase": times ``decay`` after every sixtieth epoch (DiffPose, arXiv:2211.16940).
        first: at the beginning.
        decay: see the schedules.
    """
    whole = math.floor(done + 1e-9)
    if schedule == "halving":
        halvings = whole // HALVED_EVERY
        return first * decay ** (whole - halvings) * 0.5**halvings
    if schedule == "cosine":
        return first * (decay + (1 - decay) * (1 + math.cos(math.pi * done / epochs)) / 2)
    if schedule == "staircase":
        return first * decay ** (whole // STAIR)
    return first * decay**done


def decay_norm_momentum(module: nn.Module, done: float) -> None:
    """Let batch norms average over ever more steps, exponentially (VideoPose3D, arXiv:1811.11742).

    Args:
        done: part of the training, from 0 to 1.
    """
    momentum = FIRST_MOMENTUM * (LAST_MOMENTUM / FIRST_MOMENTUM) ** done
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.momentum = momentum
