"""Errors of one evaluated (H, K), batch by batch.

Joint errors become numbers per frame at once. The answer itself (the pose of a deterministic method, the mean of
the hypotheses) waits until its sequence is complete, because velocities run over the seams of windows.

Shapes: B windows, K steps, F frames, J joints, S sequences, n frames that wait.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from bench.data.sequence import Sequence
from bench.data.windows import Windows
from bench.protocol.aggregation import NamedErrors
from bench.protocol.metrics import PCK_GROUPS, auc, pck
from bench.protocol.sequence_metrics import answer_metrics
from bench.results.errors import FrameErrors, Name
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton

PCK_JOINTS = {
    MPI_INF_3DHP.name: PCK_GROUPS["Total"],
    HUMAN36M.name: (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16),
}
"""Joints that PCK and AUC count: the 14 of MPI-INF-3DHP's evaluation, and their counterparts in Human3.6M."""

SETTLE_FRAMES = 50_000
"""So many waiting frames of complete sequences are turned into errors at once."""


class Collector:
    """Takes errors and answers of batches in ascending order of windows."""

    def __init__(self, skeleton: Skeleton, answer: str | None) -> None:
        """``answer``: the aggregation whose pose ``add`` is given; None for a deterministic method."""
        self.skeleton, self.answer = skeleton, answer
        self.pck_joints = list(PCK_JOINTS.get(skeleton.name, range(len(skeleton.joints))))
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
        """Take one batch.

        Args:
            errors: ``[B, K, F, J]`` millimetres, on any device.
            answer, target: ``[B, F, J, 3]`` metres.
            counts: ``[B, F]`` bool, frames that count.
            sequence, frame: ``[B]`` and ``[B, F]``, where they come from.
        """
        counted = torch.from_numpy(counts).to(answer.device)
        for (metric, aggregation), by_joint in errors.items():
            self._add_joints((metric, aggregation), by_joint, counted)
            if metric == "mpjpe":
                self._add_joints(("pck", aggregation), pck(by_joint[..., None]), counted, self.pck_joints)
                self._add_joints(("auc", aggregation), auc(by_joint[..., None]), counted, self.pck_joints)
        owner = np.broadcast_to(sequence[:, None], counts.shape)[counts]
        self.owners.append(owner)
        self.positions.append(frame[counts])
        self.window_owner.append(sequence)
        self.waiting.append((owner, frame[counts], answer[counted].cpu(), target[counted].cpu()))
        if sum(len(owner) for owner, *_ in self.waiting) > SETTLE_FRAMES:
            self._settle(still_open=int(sequence[-1]))

    def result(self, hypotheses: int, steps: int, windows: Windows) -> FrameErrors:
        """All of it, frames in order of sequence and frame."""
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
        for name, means in self.means.items():
            if means.keys() >= set(present.tolist()):
                sums[name] = np.array([means[key] for key in present.tolist()])[None] * counts
        chosen = [windows.sequences[key] for key in present]
        return FrameErrors(
            hypotheses=hypotheses,
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
        )

    def _add_joints(self, name: Name, values: Tensor, counted: Tensor, chosen: list[int] | None = None) -> None:
        """Store values ``[B, K, F, J]`` by joint, and their mean over the chosen joints by frame and sequence."""
        last = torch.where(counted[..., None], values[:, -1], 0).sum(1, dtype=torch.float64)
        self.joints[name].append(last.cpu().numpy())
        by_frame = values.mean(-1) if chosen is None else values[..., chosen].mean(-1)
        sums = torch.where(counted[:, None], by_frame, 0).sum(-1, dtype=torch.float64)
        self.sums[name].append(sums.cpu().numpy())
        self.frames[name].append(by_frame[:, -1][counted].float().cpu().numpy())

    def _settle(self, still_open: int | None) -> None:
        """Turn waiting answers into one mean error per metric and sequence, but for the sequence still open."""
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
        number = torch.from_numpy(owner[done])
        values = answer_metrics(answer[done], target[done], number, torch.from_numpy(frame[done]), self.skeleton)
        for metric, (error, known) in values.items():
            keys, index = number[known].unique(return_inverse=True)
            total = torch.zeros(len(keys), dtype=torch.float64).index_add_(0, index, error[known].double())
            means = total / index.bincount(minlength=len(keys))
            self.means[metric, self.answer] |= dict(zip(keys.tolist(), means.tolist(), strict=True))


def _activity(sequences: list[Sequence], number: np.ndarray, frame: np.ndarray) -> np.ndarray | None:
    """What is done in each frame ``[N]`` of these sequences; None if one of them does not say."""
    stored = [sequence.activity for sequence in sequences if sequence.activity is not None]
    if len(stored) < len(sequences):
        return None
    first = np.cumsum([0, *map(len, stored)])
    return np.concatenate(stored)[first[number] + frame]
