"""Windows of fixed length over sequences: index tables, and batches gathered from them in one step.

Training windows follow Pavllo et al., "3D human pose estimation in video", CVPR 2019 (chunks with edge padding on
both sides); evaluation windows follow Shan et al., P-STMO, ECCV 2022 (the last window ends at the last frame).
"""

from __future__ import annotations

from collections import abc
from dataclasses import replace
from hashlib import blake2b
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from bench.data.sequence import Sequence
from models.errors import InputError
from models.lifter import Batch, Lifter
from models.skeleton import Skeleton

Mode = Literal["train", "eval"]


def train_table(
    lengths: ArrayLike, chunk: int, flip: bool, stride: int | None = None, beyond: int = 0
) -> np.ndarray:
    """Windows that cover every frame once, or overlap where ``stride`` is less than ``chunk``.

    A sequence of length L gives as few windows as cover it, n = ceil((L - chunk) / stride) + 1, as far beyond its
    first frame as beyond its last; frames there repeat the end frames. L has ``beyond`` such frames at each end.

    Returns:
        ``[n, 4]`` int64: sequence, start, end (exclusive), flip. With ``flip`` a sequence's plain rows are
        followed by its mirrored rows.
    """
    length = np.asarray(lengths, dtype=np.int64) + 2 * beyond
    stride = stride or chunk
    counts = np.maximum(-((chunk - length) // stride) + 1, 1)
    first = -(((counts - 1) * stride + chunk - length) // 2)
    sequence, rank = _numbered(counts * (2 if flip else 1))
    mirrored = rank >= counts[sequence]
    start = first[sequence] + (rank - mirrored * counts[sequence]) * stride - beyond
    return np.stack([sequence, start, start + chunk, mirrored], axis=1)


def eval_table(lengths: ArrayLike, frames: int) -> np.ndarray:
    """Windows for evaluation: one after the other, the last one moved back so that it ends at the last frame.

    A sequence shorter than a window gives one window from frame 0; it repeats its last frame.

    Returns:
        ``[n, 4]`` int64: sequence, start, end (exclusive), 0.
    """
    length = np.asarray(lengths, dtype=np.int64)
    sequence, rank = _numbered(-(-length // frames))
    start = np.minimum(rank * frames, np.maximum(length[sequence] - frames, 0))
    return np.stack([sequence, start, start + frames, np.zeros_like(start)], axis=1)


class Windows:
    """Windows over sequences of one skeleton, assembled into batches without a loop.

    The frames are held once: sequences that are slices of shared arrays (as the readers give them) are used where
    they lie, others are joined into one array.

    Attributes:
        table: ``[n, 4]`` sequence, start, end, flip; one row per window.
        frames, context: output frames, and input frames on the left and right of them.
    """

    def __init__(
        self,
        sequences: abc.Sequence[Sequence],
        skeleton: Skeleton,
        frames: int,
        context: tuple[int, int] = (0, 0),
        mode: Mode = "train",
        flip: bool = False,
        stride: int | None = None,
        random_frames: int = 0,
        beyond: int = 0,
    ) -> None:
        """Index the windows.

        Args:
            sequences: all of one joint order; float32 arrays.
            skeleton: their joint order, for mirroring.
            frames: F, output frames of a window.
            context: (left, right) further frames of 2D input; beyond a sequence its end frames are repeated.
            mode: "train" (``train_table``) or "eval" (``eval_table``, without windows of which no frame counts).
            flip: add the mirrored copy of every window; for training only.
            stride: from window to window in training; None for ``frames``.
            random_frames: N further frames of a window's sequence in every batch.
            beyond: repeated end frames that training windows cover at each end of a sequence.

        Raises:
            InputError: there is no sequence, one is empty, or ``frames`` is below 1.
        """
        _check(sequences, frames)
        self.sequences, self.skeleton = tuple(sequences), skeleton
        self.frames, self.context, self.mode = frames, context, mode
        self.lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        training = mode == "train"
        self.random_frames = random_frames
        self.table = (
            train_table(self.lengths, frames, flip, stride, beyond)
            if training
            else eval_table(self.lengths, frames)
        )
        self._actions = np.array([sequence.action_class for sequence in sequences])
        self._pose_2d = _Frames([sequence.pose_2d for sequence in sequences])
        self._pose_3d = _Frames([sequence.pose_3d for sequence in sequences])
        self._trajectory = _Frames([sequence.trajectory for sequence in sequences])
        given = [sequence.confidence for sequence in sequences if sequence.confidence is not None]
        self._confidence = _Frames(given) if len(given) == len(sequences) else None
        some_invalid = any(sequence.valid is not None for sequence in sequences)
        self._valid = np.concatenate([one.counted for one in sequences]) if some_invalid else None
        if some_invalid and not training:
            self.table = self.table[self.counts(np.arange(len(self.table)), overlap=True).any(axis=1)]
        self.keys = _window_keys(self.sequences, self.table)
        self._intrinsics = torch.from_numpy(np.stack([sequence.intrinsics for sequence in sequences]))

    def __len__(self) -> int:
        return len(self.table)

    def batch(self, indices: np.ndarray, seed: int = 0) -> Batch:
        """The windows of these rows of the table, mirrored where the table says so.

        Args:
            indices: ``[B]`` integers.
            seed: of the random frames in training; in evaluation they are spread evenly over the sequence.

        Returns:
            A batch with ``pose_2d`` ``[B, left + F + right, J, 2]`` and all ground truth (of further frames in
            training only).
        """
        sequence, start, _, flip = self.table[indices].T
        left, right = self.context
        seen = self._frames(sequence, start, -left, self.frames + right)
        output = seen[:, left : left + self.frames]
        camera = self._intrinsics[torch.from_numpy(sequence)]
        batch = Batch(
            pose_2d=self._pose_2d.gather(sequence, seen),
            actions=tuple(self._actions[sequence].tolist()),
            window_keys=torch.from_numpy(self.keys[indices]),
            pose_3d=self._pose_3d.gather(sequence, output),
            trajectory=self._trajectory.gather(sequence, output),
            camera=camera,
            confidence=None if self._confidence is None else self._confidence.gather(sequence, seen),
        )
        if self.random_frames:
            further = self._further_frames(sequence, seed)
            batch = replace(batch, random_2d=self._pose_2d.gather(sequence, further))
            if self.mode == "train":
                batch = replace(batch, random_3d=self._pose_3d.gather(sequence, further))
        return _mirrored(batch, np.flatnonzero(flip), self.skeleton) if flip.any() else batch

    def counts(self, indices: np.ndarray, overlap: bool = False) -> np.ndarray:
        """Which frames of these windows count in an error, so that every frame of a sequence counts once.

        Args:
            indices: ``[B]`` rows of the table.
            overlap: count what the last two windows of a sequence share twice, as the published evaluation does.

        Returns:
            ``[B, F]`` bool; False for repeated frames beyond the ends, for frames without valid ground truth, and
            (unless ``overlap``) for the part of the last window that the window before it already covered.
        """
        sequence, start, _, _ = self.table[indices].T
        position = start[:, None] + np.arange(self.frames)
        inside = (position >= 0) & (position < self.lengths[sequence][:, None])
        if self._valid is not None:
            begin = np.cumsum(self.lengths)[sequence] - self.lengths[sequence]
            inside &= self._valid[begin[:, None] + self._frames(sequence, start, 0, self.frames)]
        if self.mode == "train" or overlap:
            return inside
        fresh_from = -(-start // self.frames) * self.frames
        return inside & (position >= fresh_from[:, None])

    def frame_index(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the output frames come from: sequence ``[B]`` and frame within it ``[B, F]``."""
        sequence, start, _, _ = self.table[indices].T
        return sequence, self._frames(sequence, start, 0, self.frames)

    def subset(self, n: int) -> np.ndarray:
        """Rows of ``n`` windows spread evenly over actions, and within an action over takes and cameras.

        The same for the same sequences and window length; all rows, if there are no more than ``n``.

        Returns:
            ``[min(n, len)]`` int64, ascending.
        """
        order = _spread_order(self.sequences, self.table[:, 0])
        return np.sort(order[:n])

    def whole_sequences(self, n: int) -> np.ndarray:
        """Rows of all windows of ``n`` sequences that have any, chosen as fairly as windows are by ``subset``.

        Returns:
            ``[windows]`` int64, ascending.
        """
        order = _spread_order(self.sequences, np.arange(len(self.sequences)))
        chosen = order[np.isin(order, self.table[:, 0])][:n]
        return np.flatnonzero(np.isin(self.table[:, 0], chosen))

    def _further_frames(self, sequence: np.ndarray, seed: int) -> np.ndarray:
        """``[B, N]`` frames of each sequence, drawn in training, evenly spread in evaluation."""
        length, N = self.lengths[sequence][:, None], self.random_frames
        if self.mode == "train":
            return np.random.default_rng(seed).integers(0, length, (len(sequence), N))
        return np.rint(np.linspace(0, 1, N) * (length - 1)).astype(np.int64)

    def _frames(self, sequence: np.ndarray, start: np.ndarray, first: int, last: int) -> np.ndarray:
        """``[B, last - first]`` frames from ``start + first`` on, held within each sequence."""
        position = start[:, None] + np.arange(first, last)
        return np.clip(position, 0, self.lengths[sequence][:, None] - 1)


def training_windows(sequences: abc.Sequence[Sequence], lifter: Lifter, flip: bool) -> Windows:
    """Windows as a method is trained on, mirrored too where ``flip``."""
    return Windows(
        sequences,
        lifter.skeleton,
        lifter.train_frames,
        lifter.context,
        flip=flip,
        stride=lifter.train_stride,
        random_frames=lifter.random_frames,
        beyond=lifter.train_beyond,
    )


def evaluation_windows(sequences: abc.Sequence[Sequence], lifter: Lifter) -> Windows:
    """Windows as a method is evaluated on."""
    return Windows(
        sequences, lifter.skeleton, lifter.frames, lifter.context, mode="eval", random_frames=lifter.random_frames
    )


class _Frames:
    """Frames of many sequences in one tensor, with the row at which each sequence begins."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        shared = _shared_base(arrays)
        if shared is None:
            lengths = [len(array) for array in arrays]
            self._rows = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
            self._data = torch.from_numpy(np.concatenate(arrays).astype(np.float32, copy=False))
        else:
            addresses = np.array([array.ctypes.data for array in arrays], dtype=np.int64)
            self._rows = (addresses - shared.ctypes.data) // shared.strides[0]
            self._data = torch.from_numpy(shared)

    def gather(self, sequence: np.ndarray, frame: np.ndarray) -> Tensor:
        """``[B, F, ...]`` for sequences ``[B]`` and frames ``[B, F]``."""
        rows = torch.from_numpy(self._rows[sequence][:, None] + frame)
        return self._data.index_select(0, rows.flatten()).unflatten(0, rows.shape)


def _shared_base(arrays: list[np.ndarray]) -> np.ndarray | None:
    """The array of which all ``arrays`` are runs of rows; None if there is none."""
    base = arrays[0].base
    if not isinstance(base, np.ndarray) or base.dtype != np.float32 or not base.flags.c_contiguous:
        return None
    alike = all(
        array.base is base and array.shape[1:] == base.shape[1:] and array.strides == base.strides
        for array in arrays
    )
    return base if alike and base.flags.writeable else None


def _check(sequences: abc.Sequence[Sequence], frames: int) -> None:
    if frames < 1:
        raise InputError(f"a window of {frames} frames is empty: choose at least one frame")
    if not sequences:
        raise InputError("there are no sequences to cut windows from: check the data set's subjects")
    empty = next((sequence.key for sequence in sequences if len(sequence) == 0), None)
    if empty is not None:
        raise InputError(f"sequence {empty} has no frames: remove it from the data or export it again")


def _numbered(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For groups of these sizes: the group of every member, and its number within the group."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def _window_keys(sequences: abc.Sequence[Sequence], table: np.ndarray) -> np.ndarray:
    """63-bit names of windows: blake2b of the sequence's key, mixed with the start by splitmix64."""
    digests = [blake2b(sequence.key.encode(), digest_size=8).digest() for sequence in sequences]
    seeds = np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)
    z = seeds[table[:, 0]] + table[:, 1].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


def _mirrored(batch: Batch, rows: np.ndarray, skeleton: Skeleton) -> Batch:
    """The batch, its tensors changed in place, with these rows reflected in x = 0."""
    chosen = torch.from_numpy(rows)
    assert batch.pose_3d is not None
    assert batch.trajectory is not None
    assert batch.camera is not None
    for poses in (batch.pose_2d, batch.pose_3d, batch.random_2d, batch.random_3d):
        if poses is not None:
            poses.index_copy_(0, chosen, skeleton.mirror(poses.index_select(0, chosen)))
    batch.trajectory[chosen] *= torch.tensor([-1.0, 1.0, 1.0])
    batch.camera[chosen] *= torch.tensor([1.0, 1, -1, 1, 1, 1, 1, -1, 1])
    if batch.confidence is not None:
        batch.confidence[chosen] = batch.confidence[chosen][..., torch.tensor(skeleton.mirrored_order)]
    return batch


def _spread_order(sequences: abc.Sequence[Sequence], owner: np.ndarray) -> np.ndarray:
    """Windows (each of sequence ``owner[i]``) in an order whose every beginning is a fair sample.

    Actions take turns; within an action, takes of different subjects take turns, each time in another camera, and
    windows of one sequence come in golden-section order.
    """
    _, action = np.unique([sequence.action_class for sequence in sequences], return_inverse=True)
    cameras, camera = np.unique([sequence.camera for sequence in sequences], return_inverse=True)
    take = _take_turns(sequences, action)
    turn = (camera - take - action) % len(cameras)
    _, position = _numbered(np.bincount(owner, minlength=len(sequences)))
    late = np.argsort(np.lexsort(((position + 1) * 0.6180339887498949 % 1, owner)))
    first = np.cumsum(np.bincount(owner, minlength=len(sequences)))
    late -= np.concatenate([[0], first[:-1]])[owner]
    within = np.lexsort((take[owner], turn[owner], late, action[owner]))
    _, rank = _numbered(np.bincount(action[owner]))
    return within[np.lexsort((action[owner][within], rank))]


def _take_turns(sequences: abc.Sequence[Sequence], action: np.ndarray) -> np.ndarray:
    """Place of each sequence's take within its action: subjects alternate, every action beginning elsewhere."""
    places = np.zeros(len(sequences), dtype=np.int64)
    for number in range(int(action.max()) + 1):
        members = np.flatnonzero(action == number).tolist()
        takes = sorted({(sequences[i].subject, sequences[i].action) for i in members})
        nth = {take: sum(other[0] == take[0] for other in takes[:k]) for k, take in enumerate(takes)}
        order = sorted(takes, key=lambda take: (nth[take], take))
        place = {take: (k - number) % len(order) for k, take in enumerate(order)}
        places[members] = [place[sequences[i].subject, sequences[i].action] for i in members]
    return places
