from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.human36m.keypoints import METADATA, in_our_order, joint_order
from models.errors import InputError
from models.skeleton import HUMAN36M
from tests.bench.data.test_archive import boxed
from tests.hostile import check_sentence

COCO_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
OURS = {"Foot": "ankle"}
COCO_SYMMETRY = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]
H36M_SYMMETRY = METADATA["keypoints_symmetry"]


def order_of(path: Path, metadata: Any) -> str:
    np.savez(path / "a.npz", positions_2d=boxed({}), metadata=boxed(metadata))
    return joint_order(path / "a.npz")


@pytest.mark.parametrize(
    ("metadata", "order"),
    [
        (METADATA, "h36m"),
        ({"layout_name": "h36m"}, "h36m"),
        ({"layout_name": "Human3.6M", "num_joints": 17}, "h36m"),
        ({"layout_name": "COCO", "keypoints_symmetry": COCO_SYMMETRY}, "coco"),
        ({"keypoints_symmetry": np.array(COCO_SYMMETRY)}, "coco"),
        ({"layout_name": "mine", "keypoints_symmetry": H36M_SYMMETRY}, "h36m"),
        ({"video_metadata": {}}, "h36m"),
    ],
)
def test_the_file_s_own_word_is_believed(tmp_path: Path, metadata: Any, order: str) -> None:
    assert order_of(tmp_path, metadata) == order


def test_no_metadata_are_human36m_s_order(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", positions_2d=boxed({}))
    assert joint_order(tmp_path / "a.npz") == "h36m"


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (
            {"layout_name": "mpii", "keypoints_symmetry": [[3, 4, 5], [0, 1, 2]]},
            "order 'mpii'; only Human3.6M's",
        ),
        ({"layout_name": 17}, "order 17; only"),
        ({"layout_name": "x" * 10_000}, "order 'xxx"),
        ({"layout_name": "h36m", "keypoints_symmetry": COCO_SYMMETRY}, "say 'h36m', but keypoints_symmetry pairs"),
        ({"layout_name": "coco", "keypoints_symmetry": H36M_SYMMETRY}, "say 'coco', but keypoints_symmetry pairs"),
        ({"layout_name": "coco", "keypoints_symmetry": "none"}, "say 'coco', but keypoints_symmetry pairs"),
        ({"layout_name": "coco", "keypoints_symmetry": [[np.inf], [1e300]]}, "say 'coco', but"),
        (["h36m"], "expected a dict of layout_name and keypoints_symmetry, not list"),
    ],
)
def test_other_orders_are_refused(tmp_path: Path, metadata: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        order_of(tmp_path, metadata)
    check_sentence(caught.value)


def test_coco_s_limbs_keep_their_places_and_the_trunk_lies_between() -> None:
    coco = np.random.default_rng(0).uniform(0, 1000, (5, 17, 3)).astype(np.float32)
    found = in_our_order(coco, "coco")
    assert found.shape == (5, 17, 3)
    assert found.dtype == np.float32
    by_name = dict(zip(COCO_NAMES, np.moveaxis(coco, 1, 0), strict=True))
    ours = dict(zip(HUMAN36M.joints, np.moveaxis(found, 1, 0), strict=True))
    for side in ("Left", "Right"):
        for joint in ("Knee", "Foot", "Shoulder", "Elbow", "Wrist", "Hip"):
            theirs = by_name[f"{side.lower()}_{OURS.get(joint, joint.lower())}"]
            np.testing.assert_array_equal(ours[side[0] + joint], theirs)
    hips = (by_name["left_hip"] + by_name["right_hip"]) / 2
    shoulders = (by_name["left_shoulder"] + by_name["right_shoulder"]) / 2
    np.testing.assert_allclose(ours["Hip"][:, :2], hips[:, :2], rtol=1e-6)
    np.testing.assert_allclose(ours["Thorax"][:, :2], shoulders[:, :2], rtol=1e-6)
    np.testing.assert_allclose(ours["Spine"][:, :2], (hips + shoulders)[:, :2] / 2, rtol=1e-5)
    np.testing.assert_array_equal(ours["Neck/Nose"], by_name["nose"])
    np.testing.assert_array_equal(ours["Head"][:, 2], np.minimum(by_name["left_eye"], by_name["right_eye"])[:, 2])
    assert in_our_order(coco, "h36m") is coco
