"""Joint orders of the field's data sets, and mirroring.

Torch is imported where it is computed with, so that readers of files can take the names of joints without it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Skeleton:
    """The J joints of a data set, in its order. Joints are given by their numbers.

    Attributes:
        name: of the joint order.
        joints: name of each joint.
        parents: parent of each joint; -1 for the root.
        left, right: ``left[i]`` and ``right[i]`` are each other's mirror image.
        root: the joint that root-relative poses are relative to.
        pck_joints: those that PCK and AUC count; None for all of them.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    root: int
    pck_joints: tuple[int, ...] | None = None

    @functools.cached_property
    def mirrored_order(self) -> tuple[int, ...]:
        """Index that swaps left and right joints: ``mirrored = x[..., mirrored_order, :]``."""
        order = list(range(len(self.joints)))
        for left, right in zip(self.left, self.right, strict=True):
            order[left], order[right] = right, left
        return tuple(order)

    @functools.cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) of every joint but the root."""
        return tuple((parent, child) for child, parent in enumerate(self.parents) if parent >= 0)

    @functools.cached_property
    def mirrored_bones(self) -> tuple[tuple[int, int], ...]:
        """(left, right) for every bone that ends in a left joint and has a mirror image: places in ``bones``."""
        place = {bone: number for number, bone in enumerate(self.bones)}
        order = self.mirrored_order
        pairs = ((number, place.get((order[a], order[b]))) for (a, b), number in place.items() if b in self.left)
        return tuple((left, right) for left, right in pairs if right is not None)

    def mirror(self, poses: Tensor) -> Tensor:
        """Reflect poses in the plane x = 0 and swap left and right.

        Args:
            poses: ``[..., J, C]``, x first; 2D in normalised screen coordinates or 3D in camera space.

        Returns:
            A new tensor of the same shape. Applied twice it is the identity.
        """
        columns = _columns(self.mirrored_order, poses.shape[-1], poses.device)
        rows = poses.reshape(-1, len(columns))  # [..., J, C] → [N, J·C]
        swapped = rows.index_select(1, columns).view(poses.shape)  # [N, J·C] → [..., J, C]
        swapped[..., 0].neg_()
        return swapped


@functools.lru_cache(maxsize=64)
def _columns(order: tuple[int, ...], coordinates: int, device: torch.device) -> Tensor:
    """Places of the coordinates of joints in this order, ``[J·C]``.

    Made once for each device: copying them there waits for it.
    """
    import torch

    with torch.inference_mode(False):
        return torch.tensor(
            [coordinates * joint + c for joint in order for c in range(coordinates)], device=device
        )


HUMAN36M = Skeleton(
    name="human36m",
    joints=(
        "Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Neck/Nose", "Head",
        "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist",
    ),
    parents=(-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    left=(4, 5, 6, 11, 12, 13),
    right=(1, 2, 3, 14, 15, 16),
    root=0,
    pck_joints=(1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16),  # the counterparts of MPI-INF-3DHP's 14
)  # fmt: skip

MPI_INF_3DHP = Skeleton(
    name="mpi_inf_3dhp",
    joints=(
        "HeadTop", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "RHip", "RKnee",
        "RAnkle", "LHip", "LKnee", "LAnkle", "Pelvis", "Spine", "Head",
    ),
    parents=(16, 15, 1, 2, 3, 1, 5, 6, 14, 8, 9, 14, 11, 12, -1, 14, 1),
    left=(5, 6, 7, 11, 12, 13),
    right=(2, 3, 4, 8, 9, 10),
    root=14,
    pck_joints=tuple(range(14)),  # pelvis, spine and head centre are not evaluated
)  # fmt: skip

HUMANEVA15 = Skeleton(
    name="humaneva15",
    joints=(
        "Pelvis", "Thorax", "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist", "LHip", "LKnee",
        "LAnkle", "RHip", "RKnee", "RAnkle", "Head",
    ),
    parents=(-1, 0, 1, 2, 3, 1, 5, 6, 0, 8, 9, 0, 11, 12, 1),
    left=(2, 3, 4, 8, 9, 10),
    right=(5, 6, 7, 11, 12, 13),
    root=0,
)  # fmt: skip
"""HumanEva-I's joints as the field has them (Pavllo et al., "3D human pose estimation in video", CVPR 2019)."""

SKELETONS = {skeleton.name: skeleton for skeleton in (HUMAN36M, MPI_INF_3DHP, HUMANEVA15)}
