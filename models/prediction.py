"""What every method has in common: a length of windows, averaging over mirror images, the root at the origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.errors import InputError
from models.skeleton import Skeleton


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
        if self.frames < 1 or self.frames % 2 == 0:
            raise InputError(f"frames is {self.frames}, but a window has an odd number of them: take 27 or 243")


def flip_average(lift: Callable[[Tensor], Tensor], pose_2d: Tensor, skeleton: Skeleton, flip: bool) -> Tensor:
    """Lift poses ``[B, F, J, 2]`` to ``[B, F, J, 3]``; with ``flip``, average with the mirrored poses' lifting.

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
