"""The joint orders: what mirrors what, what PCK counts, and mirroring."""

from __future__ import annotations

import pytest
import torch

from models.skeleton import HUMAN36M, MPI_INF_3DHP, SKELETONS, Skeleton

EACH = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda skeleton: skeleton.name)


@EACH
def test_left_and_right_are_each_others_mirror_image(skeleton: Skeleton) -> None:
    for left, right in zip(skeleton.left, skeleton.right, strict=True):
        assert skeleton.joints[left][1:] == skeleton.joints[right][1:]
        assert skeleton.joints[left][0] + skeleton.joints[right][0] == "LR"


@EACH
def test_mirroring_reflects_x_and_swaps_sides(skeleton: Skeleton) -> None:
    poses = torch.randn(2, 5, len(skeleton.joints), 3)
    mirrored = skeleton.mirror(poses)
    left, right = skeleton.left[0], skeleton.right[0]
    assert torch.equal(mirrored[..., left, 0], -poses[..., right, 0])
    assert torch.equal(mirrored[..., left, 1:], poses[..., right, 1:])
    assert torch.equal(skeleton.mirror(mirrored), poses)


@EACH
def test_the_root_has_no_parent_and_every_other_joint_leads_to_it(skeleton: Skeleton) -> None:
    for joint in range(len(skeleton.joints)):
        while skeleton.parents[joint] >= 0:
            joint = skeleton.parents[joint]
        assert joint == skeleton.root


def test_pck_counts_the_same_fourteen_parts_of_the_body() -> None:
    assert len(HUMAN36M.pck_joints) == len(MPI_INF_3DHP.pck_joints) == 14
    limbs = {
        skeleton.name: {skeleton.joints[joint].replace("Foot", "Ankle") for joint in skeleton.pck_joints}
        for skeleton in (HUMAN36M, MPI_INF_3DHP)
    }
    shared = {side + part for side in "LR" for part in ("Knee", "Ankle", "Hip", "Shoulder", "Elbow", "Wrist")}
    assert all(shared <= names for names in limbs.values())
