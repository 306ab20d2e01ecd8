"""Predictions of a few frames that are kept to be looked at.

Shapes: B windows, H hypotheses, F frames, J joints, N kept frames.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.config.experiment import ActionLabels, Precision
from bench.data.windows import Windows
from bench.protocol.evaluate import EvalSetting, samples, served_by, shared_samples
from bench.results.arrays import Examples
from models.lifter import Lifter, Sampling

SEQUENCES, FRAMES, EVERY = 2, 243, 2
"""Of so many test sequences, every so many-th of the first frames that count is kept."""

HYPOTHESES = 5
"""Kept at most."""

HALF = np.float16


def examples(
    lifter: Lifter,
    windows: Windows,
    sampling: Sampling,
    plans: Iterable[EvalSetting],
    device: torch.device,
    size: int,
    labels: ActionLabels = "given",
    precision: Precision = "fp32",
) -> dict[EvalSetting, Examples]:
    """What the method says about the frames that are kept, for every plan, drawn as for its errors.

    Args:
        lifter: on ``device``.
        windows: all test windows of the method.
        sampling: flip and seed.
        plans: what is wanted.
        device: of the method.
        size: windows per call.
        labels: the action labels that a method which reads them is given.
        precision: of the predictions.
    """
    asked = {plan: served_by(plan, lifter) for plan in plans}
    runs = shared_samples({(plan.hypotheses, plan.steps) for plan in asked.values()})
    rows, kept = _kept(windows)
    said: dict[tuple[int, int], list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    with torch.inference_mode():
        parts = np.split(rows, np.arange(size, len(rows), size))
        for part, _, pairs, pred in samples(lifter, windows, parts, runs, sampling, labels, device, precision):
            chosen = torch.from_numpy(kept[np.isin(rows, part)]).to(device)
            for h, k in pairs:
                poses = pred[:, k - 1, :h].transpose(1, 2)[chosen]
                several = poses[:, : HYPOTHESES if lifter.probabilistic else 0]
                said[h, k].append((_half(poses.mean(1)), _half(several)))
    known = _known(windows, rows, kept)
    return {plan: _joined(known, said[served.hypotheses, served.steps]) for plan, served in asked.items()}


def _kept(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the windows that have frames to keep, and which those are ``[B, F]``."""
    rows = windows.whole_sequences(SEQUENCES)
    owner, frame = windows.frame_index(rows)
    counted = windows.counts(rows)
    first = np.full(len(windows.sequences), len(windows.table) * windows.frames)
    np.minimum.at(first, np.broadcast_to(owner[:, None], frame.shape)[counted], frame[counted])
    since = frame - first[owner][:, None]
    kept = counted & (since < FRAMES) & (since % EVERY == 0)
    some = kept.any(1)
    return rows[some], kept[some]


def _known(windows: Windows, rows: np.ndarray, kept: np.ndarray) -> dict[str, Any]:
    """The fields of ``Examples`` that no method has a say in."""
    owner, frame = windows.frame_index(rows)
    present, sequence = np.unique(np.broadcast_to(owner[:, None], kept.shape)[kept], return_inverse=True)
    shown = [windows.sequences[number] for number in present.tolist()]
    frames = [frame[kept][sequence == number] for number in range(len(shown))]
    skeleton = windows.skeleton
    return {
        "keys": tuple(one.key for one in shown),
        "fps": np.array([one.fps for one in shown]),
        "joints": skeleton.joints,
        "parents": np.array(skeleton.parents),
        "left": np.isin(np.arange(len(skeleton.joints)), skeleton.left),
        "sequence": sequence.astype(np.int32),
        "frame": frame[kept].astype(np.int32),
        "pose_2d": np.concatenate([one.pose_2d[at] for one, at in zip(shown, frames, strict=True)]).astype(HALF),
        "target": np.concatenate([one.pose_3d[at] for one, at in zip(shown, frames, strict=True)]).astype(HALF),
    }


def _joined(known: dict[str, Any], said: list[tuple[np.ndarray, np.ndarray]]) -> Examples:
    answer, hypotheses = map(np.concatenate, zip(*said, strict=True))
    return Examples(**known, answer=answer, hypotheses=hypotheses)


def _half(poses: Tensor) -> np.ndarray:
    return poses.float().cpu().numpy().astype(HALF)
