from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.human36m.files import camera_views
from bench.data.human36m.keypoints import KNOWN, METADATA, WITHOUT_NOSE, layout_of
from models.errors import InputError
from models.skeleton import HUMAN36M
from tests.bench.data.test_archive import boxed
from tests.hostile import check_sentence

COCO_SYMMETRY = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]
H36M_SYMMETRY = METADATA["keypoints_symmetry"]


def order_of(path: Path, metadata: Any) -> str:
    np.savez(path / "a.npz", positions_2d=boxed({}), metadata=boxed(metadata))
    return layout_of(path / "a.npz").name


@pytest.mark.parametrize(
    ("metadata", "order"),
    [
        (METADATA, "human36m"),
        ({"layout_name": "h36m"}, "human36m"),
        ({"layout_name": "Human3.6M", "num_joints": 17}, "human36m"),
        ({"layout_name": "COCO", "keypoints_symmetry": COCO_SYMMETRY}, "coco"),
        ({"keypoints_symmetry": np.array(COCO_SYMMETRY)}, "coco"),
        ({"layout_name": "mpii", "keypoints_symmetry": [[3, 4, 5, 13, 14, 15], [0, 1, 2, 10, 11, 12]]}, "mpii"),
        (
            {"layout_name": "h36m", "keypoints_symmetry": [[4, 5, 6, 10, 11, 12], [1, 2, 3, 13, 14, 15]]},
            "human36m16",
        ),
        ({"layout_name": "halpe"}, "halpe26"),
        ({"layout_name": "mine", "keypoints_symmetry": H36M_SYMMETRY}, "human36m"),
        ({"video_metadata": {}}, "human36m"),
    ],
)
def test_the_file_s_own_word_is_believed(tmp_path: Path, metadata: Any, order: str) -> None:
    assert order_of(tmp_path, metadata) == order


def test_no_metadata_are_human36m_s_order(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", positions_2d=boxed({}))
    assert layout_of(tmp_path / "a.npz").name == "human36m"


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (
            {"layout_name": "crowdpose", "keypoints_symmetry": [[0, 2, 4], [1, 3, 5]]},
            "order 'crowdpose'; only the layouts human36m, coco",
        ),
        ({"layout_name": 17}, "order 17; only"),
        ({"layout_name": "x" * 10_000}, "order 'xxx"),
        (
            {"layout_name": "h36m", "keypoints_symmetry": COCO_SYMMETRY},
            "say 'h36m', but keypoints_symmetry has other",
        ),
        (
            {"layout_name": "coco", "keypoints_symmetry": H36M_SYMMETRY},
            "say 'coco', but keypoints_symmetry has other",
        ),
        ({"layout_name": "coco", "keypoints_symmetry": "none"}, "say 'coco', but keypoints_symmetry has other"),
        ({"layout_name": "coco", "keypoints_symmetry": [[np.inf], [1e300]]}, "say 'coco', but"),
        (["h36m"], "expected a dict of layout_name and keypoints_symmetry, not list"),
    ],
)
def test_other_orders_are_refused(tmp_path: Path, metadata: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        order_of(tmp_path, metadata)
    check_sentence(caught.value)


def test_files_of_stacked_hourglass_networks_are_converted() -> None:
    """Their 16 key points are those of MPII, or Human3.6M's without the nose."""
    ours = np.random.default_rng(0).uniform(0, 1000, (5, 17, 2)).astype(np.float32)
    without = camera_views([ours[:, [*range(9), *range(10, 17)]]] * 4, "here", 5, WITHOUT_NOSE)[0]
    others = [joint for joint in range(17) if joint != 9]
    np.testing.assert_array_equal(without[:, others], ours[:, others])
    np.testing.assert_allclose(without[:, 9], (ours[:, 8] + ours[:, 10]) / 2, rtol=1e-6)
    mpii = camera_views([ours[:, :16]] * 4, "here", 5, KNOWN["mpii"])[0]
    for joint, theirs in (("RFoot", 0), ("LHip", 3), ("Hip", 6), ("Thorax", 7), ("Head", 9), ("LWrist", 15)):
        np.testing.assert_array_equal(mpii[:, HUMAN36M.joints.index(joint)], ours[:, theirs])
    with pytest.raises(InputError, match="16 joints, as stacked hourglass networks give"):
        camera_views([ours[:, :16]] * 4, "here", 5)
    with pytest.raises(InputError, match=r"no numbers \[frames, 16, 2 or 3\]"):
        camera_views([ours] * 4, "here", 5, KNOWN["mpii"])
