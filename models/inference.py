"""How methods lift windows: the detector's confidence, one frame at a time, averaging over mirror images.

B windows, L input frames, F output frames, T frames that one output frame is lifted from, N windows of T frames,
J joints, C coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor

from models.errors import InputError
from models.lifter import Batch, Lifter, Sampling
from models.skeleton import Skeleton

FRAMES_AT_ONCE = 2**15
"""Input frames that go through a network at once where every output frame is lifted on its own."""


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Compute in float32 also under autocast, which the ``meta`` device does not have."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


def without_context(poses: Tensor, lifter: Lifter) -> Tensor:
    """The output frames ``[B, F, …]`` of inputs ``[B, L, …]``, which have the frames of ``lifter.context`` too."""
    left = lifter.context[0]
    return poses[:, left : left + lifter.frames]


def with_confidence(batch: Batch, missing: Literal["required", "one"]) -> Tensor:
    """2D poses with their confidence as third coordinate, ``[B, L, J, 3]``; ``Skeleton.mirror`` keeps it as it is.

    ``missing`` says what to do where the batch has no confidence: refuse it, or take 1 for every joint.

    Raises:
        InputError: it has none and needs one.
    """
    confidence = batch.confidence
    if confidence is None:
        if missing == "required":
            raise InputError("the 2D poses have no confidence: give it, or set the option confidence to one")
        confidence = torch.ones_like(batch.pose_2d[..., 0])
    return torch.cat([batch.pose_2d, confidence[..., None]], dim=-1)  # [B, L, J, 2 + 1]


def centre_frames(lift: Callable[[Tensor], Tensor], seen: Tensor, length: int, frames: int) -> Tensor:
    """Lift every frame from the frames around it: ``[B, F + T - 1, J, C]`` to ``[B, F, J, 3]``.

    Frames go through ``lift``, which takes ``[N, T, J, C]`` to the poses of the frames in the middle,
    ``[N, J, 3]``, in chunks of bounded memory that do not change the result. ``length`` is T, ``frames`` is F.
    """
    windows = seen.unfold(1, length, 1).movedim(-1, 2)  # [B, F + T - 1, J, C] → [B, F, J, C, T] → [B, F, T, J, C]
    rows = torch.arange(len(seen) * frames, device=seen.device).split(max(1, FRAMES_AT_ONCE // length))
    lifted = [lift(windows[some // frames, some % frames]) for some in rows]
    return torch.cat(lifted).unflatten(0, (len(seen), frames))  # [B·F, J, 3] → [B, F, J, 3]


def flip_average(lift: Callable[[Tensor], Tensor], pose_2d: Tensor, skeleton: Skeleton, flip: bool) -> Tensor:
    """Lift poses ``[B, …, J, C]`` to ``[B, …, J, 3]``; with ``flip``, average with the mirrored poses' lifting.

    The plain and the mirrored pass run as one batch.
    """
    if not flip:
        return lift(pose_2d)
    both = torch.cat([pose_2d, skeleton.mirror(pose_2d)])  # [B, L, J, C] → [2·B, L, J, C]
    plain, mirrored = lift(both).chunk(2)  # [2·B, F, J, 3] → twice [B, F, J, 3]
    return (plain + skeleton.mirror(mirrored)) / 2


class DeterministicLifter(Lifter):
    """A method that makes one pose of a frame; a subclass implements ``lift_windows`` in place of ``predict``."""

    compiled_part = "lift_windows"

    def seen(self, batch: Batch) -> Tensor:
        """What ``lift_windows`` is given: the 2D poses, with their confidence where the method needs it."""
        return with_confidence(batch, self.config.confidence) if self.needs_confidence else batch.pose_2d

    def lift_windows(self, seen: Tensor) -> Tensor:
        """Windows ``[B, left + F + right, J, C]`` to poses ``[B, F, J, 3]``; ``context`` is (left, right)."""
        raise NotImplementedError

    @torch.no_grad()
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        poses = flip_average(self.lift_windows, self.seen(batch), self.skeleton, sampling.flip)
        return root_at_origin(poses, self.skeleton)[:, None, None]  # [B, F, J, 3] → [B, 1, 1, F, J, 3]


def root_at_origin(poses: Tensor, skeleton: Skeleton) -> Tensor:
    """Poses ``[..., J, 3]`` with the root's row set to 0, which it is by definition of root-relative."""
    poses = poses.clone()
    poses[..., skeleton.root, :] = 0
    return poses
