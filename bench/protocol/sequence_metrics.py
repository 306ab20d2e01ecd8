"""Metrics of the answer itself, over whole sequences: scale, speed, bones.

They are computed for the pose of a deterministic method and for the mean of the hypotheses, and run over the seams
of windows, where a method that works window by window may jump.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from bench.protocol.metrics import Metric
from models.skeleton import Skeleton


def answer_metrics(
    metrics: Iterable[Metric], pred: Tensor, target: Tensor, sequence: Tensor, frame: Tensor, skeleton: Skeleton
) -> dict[str, tuple[Tensor, Tensor]]:
    """Errors of every frame.

    Args:
        metrics: those of level "frame" and "sequence" are computed.
        pred, target: ``[N, J, 3]`` metres, frames of several sequences, in order.
        sequence, frame: ``[N]`` integers, where each comes from.
        skeleton: of the poses.

    Returns:
        metric → (``[N]`` in its unit, ``[N]`` bool: where it is defined, which is where the frames before that it
        needs are there too).
    """
    defined = [torch.ones(len(pred), dtype=torch.bool)]  # defined[n]: the n frames before are there
    follows = torch.cat([~defined[0][:1], (sequence.diff() == 0) & (frame.diff() == 1)])
    values = {}
    for metric in metrics:
        if metric.level not in ("frame", "sequence"):
            continue
        while len(defined) <= metric.frames_before:
            defined.append(follows & torch.cat([~defined[0][:1], defined[-1][:-1]]))
        error = metric.compute(pred, target, skeleton)
        first = error.new_zeros(min(metric.frames_before, len(pred)))
        values[metric.name] = torch.cat([first, error]), defined[metric.frames_before]
    return values
