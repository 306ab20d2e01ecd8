"""Windows that follow one another, predicted as one: what their contexts share is then computed once.

B windows, F frames of a window, W windows that follow one another, N such runs of the same length, L frames of a
run, J joints.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from models.lifter import Batch, Lifter, Sampling

LEAST_FRAMES = 500
"""Fewest frames of a run that is predicted as one: a CPU is less busy with a short one than with its windows."""


def predict_joined(
    lifter: Lifter, batch: Batch, sampling: Sampling, sequence: np.ndarray, start: np.ndarray
) -> Tensor:
    """``lifter.predict`` for a convolutional method; windows that follow one another are one long window.

    Args:
        sequence, start: ``[B]``, where each window begins.

    Returns:
        ``[B, K, H, F, J, 3]``.
    """
    F = lifter.frames
    steps = np.diff(start)
    ends = np.flatnonzero((np.diff(sequence) != 0) | (steps < 1) | (steps > F)) + 1
    alike: dict[tuple[int, ...], list[np.ndarray]] = defaultdict(list)
    for run in np.split(np.arange(len(batch)), ends):
        long_enough = start[run[-1]] + F - start[run[0]] >= LEAST_FRAMES
        for rows in [run] if long_enough else run[:, None]:
            alike[tuple(steps[rows[:-1]])].append(rows)
    parts = []
    for between, runs in alike.items():
        numbers = torch.from_numpy(np.stack(runs))  # [N, W]
        first = numbers[:, 0]
        joined = Batch(
            pose_2d=_joined(batch.pose_2d, numbers, between),
            actions=tuple(batch.actions[row] for row in first.tolist()),
            window_keys=batch.window_keys[first],
            confidence=None if batch.confidence is None else _joined(batch.confidence, numbers, between),
            random_2d=None if batch.random_2d is None else batch.random_2d[first],
        )
        pred = lifter.predict(joined, sampling)  # [N, K, H, L, J, 3]
        begins = np.cumsum([0, *between])
        parts.append(torch.stack([pred[:, :, :, begin : begin + F] for begin in begins], dim=1).flatten(0, 1))
    order = np.argsort(np.concatenate([run for runs in alike.values() for run in runs]))
    return torch.cat(parts)[torch.from_numpy(order)]


def _joined(frames: Tensor, rows: Tensor, between: tuple[int, ...]) -> Tensor:
    """Runs of windows out of ``[B, left + F + right, J, ...]``: each window but the first adds its last frames."""
    first, *others = rows.unbind(1)
    added = [frames[row, -number:] for row, number in zip(others, between, strict=True)]
    return torch.cat([frames[first], *added], dim=1)
