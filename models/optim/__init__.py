"""Names of optimisers and of learning-rate schedules, as recipes and experiments give them, and the schedules.

Free of torch, so that descriptions of experiments are read without it. ``ranger`` is the one optimiser that torch
does not have.
"""

from __future__ import annotations

import math
from typing import Literal

OptimizerName = Literal["adamw", "adam", "amsgrad", "ranger"]
Schedule = Literal["exponential", "halving", "fifths", "cosine", "warmup", "staircase"]

EVERY = 5
EVERY_FIFTH = {"halving": 0.5, "fifths": 0.8}
"""Schedule → factor on the learning rate after every fifth epoch, in place of the usual decay."""
STAIRCASE_EPOCHS = 60
WARMUP = 0.1
"""Part of all epochs in which the learning rate rises."""


def learning_rate(schedule: Schedule, first: float, decay: float, done: float, epochs: int) -> float:
    """The learning rate after ``done`` (whole or not) of ``epochs`` epochs, from ``first`` on.

    - "exponential": times ``decay`` per epoch, a little of it at every step.
    - "halving": times ``decay`` after an epoch, but times 0.5 after every fifth (MHFormer, arXiv:2111.12707).
    - "fifths": times ``decay`` after an epoch, but times 0.8 after every fifth (FMPose3D, CVPR 2026).
    - "cosine": half a cosine from ``first`` to ``decay`` times ``first`` at the end (arXiv:1608.03983).
    - "warmup": the same, but rising from 0 with the first tenth of all epochs (arXiv:1706.02677, section 2.2).
    - "staircase": times ``decay`` after 61, 121, … epochs (DiffPose, arXiv:2211.16940).
    """
    whole = math.floor(done + 1e-9)
    if schedule in EVERY_FIFTH:
        fifths = whole // EVERY
        return first * decay ** (whole - fifths) * EVERY_FIFTH[schedule] ** fifths
    if schedule in ("cosine", "warmup"):
        risen = min(1.0, done / epochs / WARMUP) if schedule == "warmup" else 1.0
        return first * risen * (decay + (1 - decay) * (1 + math.cos(math.pi * done / epochs)) / 2)
    if schedule == "staircase":
        return first * decay ** (max(0, whole - 1) // STAIRCASE_EPOCHS)
    return first * decay**done
