"""Predictions of a few frames, kept for pictures and the viewer of the page.

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
from bench.protocol.evaluate import EvalSetting, predict_batches, served_by, shared_samples
from bench.results.arrays import Examples
from models.lifter import Lifter, Sampling

SEQUENCES, FRAMES, EVERY = 2, 243, 2
"""Sizes of the examples: every ``EVERY``-th of the first ``FRAMES`` counted frames of the first ``SEQUENCES`` test
sequences."""

HYPOTHESES = 5  # kept of each frame, at most

HALF = np.float16


def predict_examples(
    lifter: Lifter,
    windows: Windows,
    sampling: Sampling,
    settings: Iterable[EvalSetting],
    device: torch.device,
    size: int,
    labels: ActionLabels = "given",
    precision: Precision = "fp32",
) -> dict[EvalSetting, Examples]:
    """The method's predictions for a few frames under every setting, from the same samples as its errors.

    Args:
        windows: all test windows of the method.
        settings: under which examples are wanted; H and K are read.
        size: windows per call.

    The others are those of ``evaluate``.
    """
    served = {setting: served_by(setting, lifter) for setting in settings}
    runs = shared_samples({(setting.hypotheses, setting.steps) for setting in served.values()}, lifter)
    rows, kept = _kept(windows)
    predicted: dict[tuple[int, int], list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    with torch.inference_mode():
        parts = np.split(rows, np.arange(size, len(rows), size))
        for part, _, pairs, pred in predict_batches(
            lifter, windows, parts, runs, sampling, labels, device, precision
        ):
            chosen = torch.from_numpy(kept[np.isin(rows, part)]).to(device)
            for h, k in pairs:
                poses = pred[:, k - 1, :h].transpose(1, 2)[chosen]
                several = poses[:, : HYPOTHESES if lifter.probabilistic else 0]
                predicted[h, k].append((_half(poses.mean(1)), _half(several)))
    shared = _shared_fields(windows, rows, kept)
    return {setting: _joined(shared, predicted[its.hypotheses, its.steps]) for setting, its in served.items()}


def _kept(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the windows that have frames to keep, and which those are ``[B, F]``."""
    rows = windows.whole_sequences(SEQUENCES)
    owner, frame = windows.frame_index(rows)
    counted = windows.counts(rows)
    first = np.full(len(windows.sequences), windows.lengths.max())
    np.minimum.at(first, np.broadcast_to(owner[:, None], frame.shape)[counted], frame[counted])
    since = frame - first[owner][:, None]
    kept = counted & (since < FRAMES) & (since % EVERY == 0)
    some = kept.any(1)
    return rows[some], kept[some]


def _shared_fields(windows: Windows, rows: np.ndarray, kept: np.ndarray) -> dict[str, Any]:
    """The fields of ``Examples`` that are the same for every method."""
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


def _joined(shared: dict[str, Any], predicted: list[tuple[np.ndarray, np.ndarray]]) -> Examples:
    answer, hypotheses = map(np.concatenate, zip(*predicted, strict=True))
    return Examples(**shared, answer=answer, hypotheses=hypotheses)


def _half(poses: Tensor) -> np.ndarray:
    return poses.float().cpu().numpy().astype(HALF)
