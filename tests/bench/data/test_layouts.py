"""Key points of every layout become the joints of Human3.6M."""

import numpy as np
import pytest

from bench.data.layouts import LAYOUTS, RECIPES, to_human36m
from models.skeleton import HUMAN36M

PLACES = {
    "pelvis": (0, 0), "neck": (0, -50), "head top": (0, -75), "upper neck": (2, -60), "nose": (4, -65),
    "left ear": (6, -70), "right ear": (-6, -70), "left eye": (3, -68), "right eye": (-3, -68), "Hip": (0, 0),
    "Spine": (0, -25), "Thorax": (0, -50), "Neck/Nose": (3, -61.25), "Head": (0, -75), "LHip": (10, 0),
    "RHip": (-10, 0), "LKnee": (11, 40), "RKnee": (-11, 40), "LFoot": (12, 80), "RFoot": (-12, 80),
    "LShoulder": (15, -50), "RShoulder": (-15, -50), "LElbow": (25, -30), "RElbow": (-25, -30),
    "LWrist": (30, -10), "RWrist": (-30, -10),
}  # fmt: skip


def body(layout, confidence=0.9):
    """One person in a layout, ``[N, 3]``; toes, face and hands are far away, and not used."""
    return np.array([(*PLACES.get(name, (999, 999)), confidence) for name in layout.points], dtype=np.float32)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_joints_of_human36m(layout):
    joints = to_human36m(body(layout), layout)
    expected = np.array([PLACES[name] for name in HUMAN36M.joints], dtype=np.float32)
    assert np.abs(joints[:, :2] - expected).max() <= 3  # of a trunk of 50: layouts see the head in different ways
    assert joints[:, 2] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("name", "number"),
    [("coco", 17), ("coco_wholebody", 133), ("halpe26", 26), ("body25", 25), ("mpii", 16), ("human36m", 17)],
)
def test_layouts_have_their_number_of_points(name, number):
    assert len(LAYOUTS[name].points) == number


def test_a_joint_has_the_least_confidence_of_its_points():
    coco = LAYOUTS["coco"]
    points = body(coco)
    points[coco.points.index("LHip"), 2] = 0.2
    joints = to_human36m(points, coco)
    named = dict(zip(HUMAN36M.joints, joints[:, 2], strict=True))
    assert {joint for joint, value in named.items() if value < 0.5} == {"Hip", "Spine", "LHip"}


def test_what_was_not_seen_is_made_of_other_points_or_is_missing():
    coco = LAYOUTS["coco"]
    points = np.stack([body(coco)] * 3)
    points[1, :5] = np.nan  # from behind
    points[2, coco.points.index("LShoulder")] = np.nan
    front, behind, side = to_human36m(points[..., :2], coco)
    head = list(HUMAN36M.joints).index("Head")
    assert np.isfinite(front).all()
    assert np.abs(behind[head] - front[head]).max() < 3
    missing = {joint for joint, place in zip(HUMAN36M.joints, side, strict=True) if np.isnan(place).any()}
    assert missing == {"LShoulder", "Thorax", "Spine", "Neck/Nose", "Head"}


def test_weights_keep_places():
    """Shifted key points give shifted joints."""
    assert all(sum(recipe.values()) == pytest.approx(1) for recipes in RECIPES.values() for recipe in recipes)
