"""A data set in a few lines of text."""

from __future__ import annotations

from collections import Counter, abc

import numpy as np

from bench.data.cameras.camera import project
from bench.data.sequence import Dataset, Sequence


def describe_dataset(dataset: Dataset) -> list[str]:
    """Lines that say what a data set holds: subjects, takes, frames, actions, ranges, errors of its 2D poses."""
    everything = dataset.train + dataset.test
    size = np.concatenate([detection_errors(sequence)[sequence.counted] for sequence in everything])
    depth = [sequence.trajectory[sequence.counted, 2] for sequence in everything]
    lengths = [len(sequence) for sequence in everything]
    rates = " or ".join(f"{rate:g}" for rate in sorted({sequence.fps for sequence in everything}))
    frames_by_action: Counter[str] = Counter()
    for sequence in dataset.test:
        frames_by_action[sequence.action_class] += len(sequence)
    return [
        f"{dataset.label} ({dataset.name}), {dataset.detections} detections, fingerprint {dataset.fingerprint}",
        _split("train", dataset.train),
        _split("test", dataset.test),
        f"{len(dataset.skeleton.joints)} joints at {rates} frames per second",
        f"sequences of {min(lengths)} to {max(lengths)} frames, median {int(np.median(lengths))}",
        f"distance of the root from the camera {min(map(np.min, depth)):.1f} to {max(map(np.max, depth)):.1f} m",
        f"error of the 2D poses {np.median(size):.1f} px median, {size.mean():.1f} px mean",
        *([_mean_pose_line(dataset)] if dataset.train else []),
        "test frames by action: "
        + ", ".join(f"{action} {frames:,}" for action, frames in sorted(frames_by_action.items())),
        *dataset.notes,
    ]


def _mean_pose_line(dataset: Dataset) -> str:
    return f"mean training pose as a guess for the test set: {mean_pose_error(dataset):.0f} mm MPJPE"


def detection_errors(sequence: Sequence) -> np.ndarray:
    """``[T, J]`` pixels between the 2D poses and the exact projection of the 3D poses."""
    with np.errstate(divide="ignore", invalid="ignore"):  # frames that do not count may hold no pose
        exact = project(sequence.pose_3d + sequence.trajectory[:, None], sequence.intrinsics, clamped=False)
    return np.linalg.norm(sequence.pose_2d - exact, axis=-1) * (sequence.width / 2)


def mean_pose_error(dataset: Dataset) -> float:
    """MPJPE in millimetres, over test frames, of always answering the mean pose of the training set."""
    frames = sum(len(sequence) for sequence in dataset.train)
    mean = sum(sequence.pose_3d.sum(axis=0, dtype=np.float64) for sequence in dataset.train) / frames
    errors = [np.linalg.norm(s.pose_3d[s.counted] - mean, axis=-1).mean(axis=1) for s in dataset.test]
    return 1000 * float(np.concatenate(errors).mean())


def _split(name: str, sequences: abc.Sequence[Sequence]) -> str:
    subjects = dict.fromkeys(sequence.subject for sequence in sequences)
    cameras = {sequence.camera for sequence in sequences}
    actions = {sequence.action_class for sequence in sequences}
    return (
        f"{name}: {sum(map(len, sequences)):,} frames in {len(sequences)} sequences, "
        f"{len({sequence.take for sequence in sequences})} takes of {len(actions)} actions, "
        f"{len(cameras)} cameras, subjects {' '.join(subjects)}"
    )
