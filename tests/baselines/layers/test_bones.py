"""Bones of any skeleton, and people whose bones are longer."""

from __future__ import annotations

import pytest
import torch

from baselines.layers.bones import Bones
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton

SKELETONS = pytest.mark.parametrize("skeleton", [HUMAN36M, MPI_INF_3DHP], ids=[HUMAN36M.name, MPI_INF_3DHP.name])


@SKELETONS
def test_lengthened_bones(skeleton: Skeleton) -> None:
    bones, poses = Bones(skeleton), torch.randn(2, 3, 17, 3)
    uniform = torch.rand(2, 16)
    longer = bones.lengthened(poses, uniform)
    extra = (uniform - 0.5) * 0.6 * bones.lengths(poses).mean((0, 1))
    torch.testing.assert_close(bones.lengths(longer), (bones.lengths(poses) + extra[:, None]).abs())
    torch.testing.assert_close(longer[:, :, skeleton.root], poses[:, :, skeleton.root])
    torch.testing.assert_close(bones.lengthened(poses, torch.full((2, 16), 0.5)), poses)


@SKELETONS
def test_all_pairs_are_bones_or_shifts(skeleton: Skeleton) -> None:
    bones = Bones(skeleton)
    ties = {frozenset(pair) for pair in skeleton.bones}
    assert {frozenset(pair) for pair in bones.pairs.tolist()} == ties
    others = bones.others.tolist()
    assert len(others) == 137
    assert not ties & {frozenset(pair) for pair in others}
