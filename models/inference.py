"""What methods have in common: lengths of windows, the detector's confidence, averaging over mirror images.

B windows, L input frames, F output frames, J joints, C coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from models.errors import InputError
from models.lifter import Batch
from models.skeleton import Skeleton

FRAMES_AT_ONCE = 2**15
"""Input frames that go through a network at once where every output frame is lifted on its own."""


@dataclass(frozen=True)
class WindowConfig:
    """The option that every method has.

    Attributes:
        frames: F of a window, odd, so that it has a middle.

    Raises:
        InputError: frames is even or not positive.
    """

    frames: int = 243

    def __post_init__(self) -> None:
        _check_odd("frames", self.frames)


@dataclass(frozen=True)
class CentreConfig(WindowConfig):
    """Options of a method that lifts one frame from the frames around it.

    Attributes:
        frames: F of an evaluated window; it changes no number, only how much is lifted per call.
        length: frames that are seen to lift the one in their middle.

    Raises:
        InputError: frames or length is even or not positive.
    """

    length: int = 243

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_odd("length", self.length)

    @property
    def context(self) -> tuple[int, int]:
        """Input frames that an output frame needs on its left and right."""
        return self.length // 2, self.length // 2


@dataclass(frozen=True)
class ConfidenceConfig:
    """Option of a method that reads the 2D detector's confidence.

    Attributes:
        confidence: "required", or "one": 1 for every joint where the data has none.
    """

    confidence: Literal["required", "one"] = "required"


def check_stride(stride: int | None) -> None:
    """Complain about the option ``stride`` (frames from one training window to the next) of a method that has it.

    Raises:
        InputError: it is given and not positive.
    """
    if stride is not None and stride < 1:
        raise InputError(f"stride is {stride}, but must be positive: take 1, or none for windows without overlap")


def _check_odd(name: str, value: int) -> None:
    if value < 1 or value % 2 == 0:
        raise InputError(f"{name} is {value}, but a window has an odd number of frames: take 27 or 243")


def check_heads(channels: int, heads: int) -> None:
    """Complain about the size of an attention.

    Raises:
        InputError: channels is odd, less than 4 or no multiple of heads.
    """
    if channels < 4 or channels % 2 or heads < 1 or channels % heads:
        raise InputError(f"channels is {channels} with {heads} heads: take an even multiple of heads, 4 or more")


def with_confidence(batch: Batch, missing: Literal["required", "one"] = "required") -> Tensor:
    """2D poses with their confidence as third coordinate, ``[B, L, J, 3]``; ``Skeleton.mirror`` keeps it as it is.

    Args:
        batch: windows.
        missing: what to do where the batch has no confidence: refuse it, or take 1 for every joint.

    Raises:
        InputError: it has none and needs one.
    """
    confidence = batch.confidence
    if confidence is None:
        if missing == "required":
            raise InputError("the 2D poses have no confidence: give it, or set the option confidence to one")
        confidence = torch.ones_like(batch.pose_2d[..., 0])
    return torch.cat([batch.pose_2d, confidence[..., None]], dim=-1)


def centre_frames(lift: Callable[[Tensor], Tensor], seen: Tensor, length: int, frames: int) -> Tensor:
    """Lift every frame from the frames around it, in chunks of bounded memory that do not change the result.

    Args:
        lift: ``[N, length, J, C]`` to the poses of the frames in the middle, ``[N, J, 3]``.
        seen: ``[B, frames + length - 1, J, C]``.
        length: frames that one output frame is lifted from.
        frames: F.

    Returns:
        ``[B, F, J, 3]``.
    """
    windows = seen.unfold(1, length, 1).movedim(-1, 2)
    rows = torch.arange(len(seen) * frames, device=seen.device).split(max(1, FRAMES_AT_ONCE // length))
    lifted = [lift(windows[some // frames, some % frames]) for some in rows]
    return torch.cat(lifted).unflatten(0, (len(seen), frames))


def flip_average(lift: Callable[[Tensor], Tensor], pose_2d: Tensor, skeleton: Skeleton, flip: bool) -> Tensor:
    """Lift poses ``[B, L, J, C]`` to ``[B, F, J, 3]``; with ``flip``, average with the mirrored poses' lifting.

    The plain and the mirrored pass run as one batch.
    """
    if not flip:
        return lift(pose_2d)
    plain, mirrored = lift(torch.cat([pose_2d, skeleton.mirror(pose_2d)])).chunk(2)
    return (plain + skeleton.mirror(mirrored)) / 2


def root_at_origin(poses: Tensor, skeleton: Skeleton) -> Tensor:
    """Poses ``[..., J, 3]`` with the root's row set to 0, which it is by definition of root-relative."""
    poses = poses.clone()
    poses[..., skeleton.root, :] = 0
    return poses
