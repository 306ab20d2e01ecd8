"""Errors of one evaluated (H, K): collected batch by batch, then averaged frame by frame.

Joint errors become numbers per frame at once. The answer itself (the pose of a deterministic method, the mean of
the hypotheses) waits until its sequence is complete, because velocities run over the seams of windows, where a
method that works window by window may jump.

Shapes: B windows, K steps, F frames, J joints, S sequences, T takes, N counted frames.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Sequence as Listed
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.data.sequence import Sequence
from bench.data.windows import Windows
from bench.protocol.aggregation import NamedErrors
from bench.protocol.metrics import MPJPE, Metric
from bench.results.arrays import Name, save_frame_errors
from bench.results.record import Take
from models.skeleton import Skeleton

SETTLE_FRAMES = 50_000
"""When more frames than this wait, those of complete sequences are turned into errors, to free their memory."""


@dataclass(frozen=True)
class FrameErrors:
    """Errors of one evaluated (H, K) over counted frames, in millimetres or percent.

    Attributes:
        steps: K; 1 for a deterministic method.
        keys, takes, actions: of the S sequences that have counted frames: name, take, action class.
        sequence, frame: ``[N]`` int32, where each frame comes from, in ascending order; a frame that was counted
            twice stands there twice.
        counts: ``[S]`` int64, counted frames of each sequence.
        sums: name → ``[K', S]`` float64, sum of the errors of each sequence at the last K' steps.
        frames: name → ``[N]`` float32, error of each frame at the last step.
        joints: name → ``[S, J]`` float64, sum of the errors of each joint at the last step.
        activity: ``[N]`` names of what is done in each frame; None where the data do not say.
        not_computed: metric → why it has no errors, although the skeleton has what it measures.
    """

    steps: int
    keys: tuple[str, ...]
    takes: tuple[str, ...]
    actions: tuple[str, ...]
    sequence: np.ndarray
    frame: np.ndarray
    counts: np.ndarray
    sums: dict[Name, np.ndarray]
    frames: dict[Name, np.ndarray]
    joints: dict[Name, np.ndarray]
    activity: np.ndarray | None = None
    not_computed: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the error of every frame, and which frame it is; records hold all the rest."""
        save_frame_errors(path, self.frames, self.keys, self.sequence, self.frame)


def takes(errors: FrameErrors) -> tuple[tuple[Take, ...], np.ndarray]:
    """The test takes, cameras together, and ``[T, S]``: 1 where a sequence belongs to a take.

    They are in sorted order, the same for every evaluation of the same frames, so that two evaluations can be
    compared take by take.
    """
    names, first, owner = np.unique(errors.takes, return_index=True, return_inverse=True)
    member = (owner == np.arange(len(names))[:, None]).astype(np.float64)
    actions = np.array(errors.actions)[first].tolist()
    columns = zip(names.tolist(), actions, (member @ errors.counts).astype(int).tolist(), strict=True)
    return tuple(Take(name=name, action=action, frames=frames) for name, action, frames in columns), member


class Collector:
    """Takes errors and answers of batches in ascending order of windows."""

    def __init__(self, skeleton: Skeleton, answer: str | None, metrics: Listed[Metric]) -> None:
        """Collect for one (H, K); ``answer``: the aggregation of the poses that ``add`` is given, if any."""
        self.skeleton, self.answer, self.metrics = skeleton, answer, metrics
        self.scores = [metric for metric in metrics if metric.level == "score"]
        self.counted_joints = {metric.name: metric.joints and metric.joints(skeleton) for metric in metrics}
        self.owners: list[np.ndarray] = []
        self.positions: list[np.ndarray] = []
        self.sums: dict[Name, list[np.ndarray]] = defaultdict(list)
        self.frames: dict[Name, list[np.ndarray]] = defaultdict(list)
        self.joints: dict[Name, list[np.ndarray]] = defaultdict(list)
        self.window_owner: list[np.ndarray] = []
        self.waiting: list[tuple[np.ndarray, np.ndarray, Tensor, Tensor]] = []
        self.means: dict[Name, dict[int, float]] = defaultdict(dict)

    def add(
        self,
        errors: NamedErrors,
        answer: Tensor,
        target: Tensor,
        counts: np.ndarray,
        sequence: np.ndarray,
        frame: np.ndarray,
    ) -> None:
        """Take the errors and answers of one batch.

        Args:
            errors: ``[B, K, F, J]`` millimetres, on any device.
            answer, target: ``[B, F, J, 3]`` metres.
            counts: ``[B, F]`` bool, frames that count.
            sequence, frame: ``[B]`` and ``[B, F]``, where they come from.
        """
        counted = torch.from_numpy(counts).to(answer.device)
        for (metric, aggregation), by_joint in errors.items():
            self._add_joints((metric, aggregation), by_joint, counted)
            for score in self.scores if metric == MPJPE.name else ():
                self._add_joints((score.name, aggregation), score.compute(by_joint), counted)
        owner = np.broadcast_to(sequence[:, None], counts.shape)[counts]
        self.owners.append(owner)
        self.positions.append(frame[counts])
        self.window_owner.append(sequence)
        self.waiting.append((owner, frame[counts], answer[counted].cpu(), target[counted].cpu()))
        if sum(len(owner) for owner, *_ in self.waiting) > SETTLE_FRAMES:
            self._settle(still_open=int(sequence[-1]))

    def result(self, steps: int, windows: Windows) -> FrameErrors:
        """The errors of all batches, frames in order of sequence and frame number."""
        self._settle(still_open=None)
        owner, frame = np.concatenate(self.owners), np.concatenate(self.positions)
        present, number = np.unique(owner, return_inverse=True)
        order = np.lexsort((frame, number))
        of_window = np.searchsorted(present, np.concatenate(self.window_owner))
        has_frames = np.isin(np.concatenate(self.window_owner), present)
        counts = np.bincount(number, minlength=len(present))

        def summed(parts: list[np.ndarray]) -> np.ndarray:
            values = np.concatenate(parts)[has_frames]
            total = np.zeros((len(present), *values.shape[1:]))
            np.add.at(total, of_window[has_frames], values)
            return total

        sums = {name: summed(parts).T for name, parts in self.sums.items()}
        not_computed = {}
        for name, means in self.means.items():
            lacking = [windows.sequences[key].key for key in present.tolist() if key not in means]
            if lacking:  # a mean without them would be of other takes than those of the other metrics
                not_computed[name[0]] = self._why_not(name[0], lacking)
            else:
                sums[name] = np.array([means[key] for key in present.tolist()])[None] * counts
        chosen = [windows.sequences[key] for key in present]
        return FrameErrors(
            steps=steps,
            keys=tuple(sequence.key for sequence in chosen),
            takes=tuple(sequence.take for sequence in chosen),
            actions=tuple(sequence.action_class for sequence in chosen),
            sequence=number[order].astype(np.int32),
            frame=frame[order].astype(np.int32),
            counts=counts,
            sums=sums,
            frames={name: np.concatenate(frames)[order] for name, frames in self.frames.items()},
            joints={name: summed(parts) for name, parts in self.joints.items()},
            activity=_activity(chosen, number[order], frame[order]),
            not_computed=not_computed,
        )

    def _why_not(self, name: str, lacking: list[str]) -> str:
        """Why a metric of successive frames has no value: these sequences have none."""
        (metric,) = (metric for metric in self.metrics if metric.name == name)
        others = f", nor have {len(lacking) - 1:,} others" if len(lacking) > 1 else ""
        frames = metric.frames_before + 1
        return f"{metric.title} needs {frames} successive frames that count, and {lacking[0]} has none{others}"

    def _add_joints(self, name: Name, values: Tensor, counted: Tensor) -> None:
        """Keep values ``[B, K, F, J]`` by joint, and their mean over the metric's joints by frame and sequence."""
        chosen = self.counted_joints[name[0]]
        last = torch.where(counted[..., None], values[:, -1], 0).sum(1, dtype=torch.float64)
        self.joints[name].append(last.cpu().numpy())
        by_frame = values.mean(-1) if chosen is None else values[..., list(chosen)].mean(-1)
        sums = torch.where(counted[:, None], by_frame, 0).sum(-1, dtype=torch.float64)
        self.sums[name].append(sums.cpu().numpy())
        self.frames[name].append(by_frame[:, -1][counted].float().cpu().numpy())

    def _settle(self, still_open: int | None) -> None:
        """Turn waiting answers into one mean error per metric and sequence, except those of ``still_open``.

        Its later windows have not been added yet.
        """
        if not self.waiting:
            return
        owners, frames, answers, targets = zip(*self.waiting, strict=True)
        owner, frame = np.concatenate(owners), np.concatenate(frames)
        answer, target = torch.cat(answers), torch.cat(targets)
        wait = owner == still_open
        self.waiting = [(owner[wait], frame[wait], answer[wait], target[wait])]
        done = np.flatnonzero(~wait)
        done = done[np.lexsort((frame[done], owner[done]))]
        if not len(done):
            return
        again = (np.diff(owner[done], prepend=-1) == 0) & (np.diff(frame[done], prepend=-1) == 0)
        for rows, metrics in (
            (done, [metric for metric in self.metrics if not metric.frames_before]),
            # Of a frame that two windows have, the first: else its successor in time is of the other window.
            (done[~again], [metric for metric in self.metrics if metric.frames_before]),
        ):
            number = torch.from_numpy(owner[rows])
            values = _answer_errors(
                metrics, answer[rows], target[rows], number, torch.from_numpy(frame[rows]), self.skeleton
            )
            for metric, (error, known) in values.items():
                keys, index = number[known].unique(return_inverse=True)
                total = torch.zeros(len(keys), dtype=torch.float64).index_add_(0, index, error[known].double())
                means = total / index.bincount(minlength=len(keys))
                self.means[metric, self.answer] |= dict(zip(keys.tolist(), means.tolist(), strict=True))


def _answer_errors(
    metrics: Iterable[Metric], pred: Tensor, target: Tensor, sequence: Tensor, frame: Tensor, skeleton: Skeleton
) -> dict[str, tuple[Tensor, Tensor]]:
    """Metrics of the answer for frames ``[N, J, 3]`` of several sequences, in order; where each is from ``[N]``.

    Returns:
        metric → (``[N]`` in its unit, ``[N]`` bool: whether the frames before that it needs are there too).
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


def _activity(sequences: list[Sequence], number: np.ndarray, frame: np.ndarray) -> np.ndarray | None:
    """What is done in each frame ``[N]`` of these sequences; None if one of them does not say."""
    stored = [sequence.activity for sequence in sequences if sequence.activity is not None]
    if len(stored) < len(sequences):
        return None
    first = np.cumsum([0, *map(len, stored)])
    return np.concatenate(stored)[first[number] + frame]
