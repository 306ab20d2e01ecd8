from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench.data.bvh.clip import joint_positions
from bench.data.bvh.format import Hierarchy, parse
from bench.data.bvh.joints import JOINTS, JointMap, map_joints
from models.errors import InputError
from models.skeleton import HUMAN36M
from tests.bench.data.bvh import BODY, ENDS, bvh_text

PARTS = tuple(BODY)
NAMED = {
    "mixamo": """mixamorig:Hips mixamorig:LeftUpLeg mixamorig:LeftLeg mixamorig:LeftFoot mixamorig:LeftToeBase
        mixamorig:RightUpLeg mixamorig:RightLeg mixamorig:RightFoot mixamorig:RightToeBase mixamorig:Spine
        mixamorig:Neck mixamorig:Head mixamorig:LeftArm mixamorig:LeftForeArm mixamorig:LeftHand
        mixamorig:RightArm mixamorig:RightForeArm mixamorig:RightHand""",
    "3ds max biped": """Bip01 Bip01_L_Thigh Bip01_L_Calf Bip01_L_Foot Bip01_L_Toe0 Bip01_R_Thigh Bip01_R_Calf
        Bip01_R_Foot Bip01_R_Toe0 Bip01_Spine Bip01_Neck Bip01_Head Bip01_L_UpperArm Bip01_L_Forearm Bip01_L_Hand
        Bip01_R_UpperArm Bip01_R_Forearm Bip01_R_Hand""",
    "cmu asf": """root lfemur ltibia lfoot ltoes rfemur rtibia rfoot rtoes lowerback lowerneck head lhumerus
        lradius lwrist rhumerus rradius rwrist""",
    "blender": """hips thigh.L shin.L foot.L toe.L thigh.R shin.R foot.R toe.R spine neck head upper_arm.L
        forearm.L hand.L upper_arm.R forearm.R hand.R""",
    "daz": """hip lThigh lShin lFoot lToe rThigh rShin rFoot rToe abdomen neck head lShldr lForeArm lHand rShldr
        rForeArm rHand""",
    "plain": """Hips LeftHip LeftKnee LeftAnkle LeftToe RightHip RightKnee RightAnkle RightToe Chest Neck Head
        LeftShoulder LeftElbow LeftWrist RightShoulder RightElbow RightWrist""",
    "joints of maya": """root_JNT l_upleg_JNT l_leg_JNT l_foot_JNT l_toe_JNT r_upleg_JNT r_leg_JNT r_foot_JNT
        r_toe_JNT spine_JNT neck_JNT head_JNT l_uparm_JNT l_lowarm_JNT l_hand_JNT r_uparm_JNT r_lowarm_JNT
        r_hand_JNT""",
    "with a common end": """hips_joint left_upLeg_joint left_leg_joint left_foot_joint left_toes_joint
        right_upLeg_joint right_leg_joint right_foot_joint right_toes_joint spine_joint neck_joint head_joint
        left_arm_joint left_forearm_joint left_hand_joint right_arm_joint right_forearm_joint right_hand_joint""",
    "makehuman": """root upperleg01.L lowerleg01.L foot.L toe1-1.L upperleg01.R lowerleg01.R foot.R toe1-1.R
        spine03 neck01 head upperarm01.L lowerarm01.L wrist.L upperarm01.R lowerarm01.R wrist.R""",
    "auto-rig pro": """root.x thigh_stretch.l leg_stretch.l foot.l toes_01.l thigh_stretch.r leg_stretch.r foot.r
        toes_01.r spine_01.x neck.x head.x arm_stretch.l forearm_stretch.l hand.l arm_stretch.r forearm_stretch.r
        hand.r""",
    "shanks": """pelvis l_thigh l_shank l_foot l_toes r_thigh r_shank r_foot r_toes spine neck head l_upperarm
        l_forearm l_hand r_upperarm r_forearm r_hand""",
}
ABSTRACT = {part: f"joint{number}" for number, part in enumerate(PARTS)}
TAKEN = {
    "RHip": "rhip", "RKnee": "rknee", "RFoot": "rfoot", "LHip": "lhip", "LKnee": "lknee", "LFoot": "lfoot",
    "LShoulder": "lshoulder", "LElbow": "lelbow", "LWrist": "lwrist",
    "RShoulder": "rshoulder", "RElbow": "relbow", "RWrist": "rwrist",
}  # fmt: skip


def mapped(names: dict[str, str], **how):
    motion = parse(bvh_text(frames=9, names=names, **how).encode(), "test.bvh")
    joints = map_joints(motion.hierarchy, "test.bvh", {})
    return motion, joints, joint_positions(motion, joints.weights)


def taken_from(hierarchy: Hierarchy, joints: JointMap, joint: str) -> str:
    """The file's joint that stands for a joint of Human3.6M alone."""
    (node,) = np.flatnonzero(joints.weights[JOINTS.index(joint)])
    return hierarchy.names[node]


@pytest.mark.parametrize("program", NAMED)
def test_names_of_common_programs_are_known(program: str) -> None:
    names = dict(zip(PARTS, NAMED[program].split(), strict=True))
    motion, joints, _ = mapped(names)
    assert joints.guessed == ()
    found = {joint: taken_from(motion.hierarchy, joints, joint) for joint in (*TAKEN, "Thorax", "Neck/Nose")}
    for joint, part in TAKEN.items():
        assert found[joint] == names[part], joint
    assert found["Thorax"] == names["neck"]
    assert found["Neck/Nose"] == names["head"]


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_joints_without_telling_names_are_guessed_from_the_shape(turn: int) -> None:
    axes = np.roll(np.eye(3), turn, axis=0)
    _, named, expected = mapped({}, turn=axes)
    _, guessed, found = mapped(ABSTRACT, turn=axes)
    assert {f"{joint} = {ABSTRACT[part]}" for joint, part in TAKEN.items()} <= set(guessed.guessed)
    assert named.guessed == ()
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_given_names_go_before_any_guess() -> None:
    hierarchy = parse(bvh_text(frames=2, names=ABSTRACT).encode(), "test.bvh").hierarchy
    given = {joint: ABSTRACT[part] for joint, part in TAKEN.items()} | {"Head": ABSTRACT["head"]}
    joints = map_joints(hierarchy, "test.bvh", given)
    assert joints.guessed == ()
    assert taken_from(hierarchy, joints, "Head") == ABSTRACT["head"]


def test_the_body_is_human36m_s() -> None:
    _, joints, places = mapped({})
    assert HUMAN36M.joints == JOINTS
    hip = (places[:, JOINTS.index("RHip")] + places[:, JOINTS.index("LHip")]) / 2
    np.testing.assert_allclose(places[:, 0], hip, atol=1e-9)
    assert places[:, JOINTS.index("Head"), 1].mean() > places[:, JOINTS.index("Neck/Nose"), 1].mean() + 10
    trunk = np.linalg.norm(places[:, JOINTS.index("Thorax")] - hip, axis=-1)
    spine = np.linalg.norm(places[:, JOINTS.index("Spine")] - hip, axis=-1)
    assert 0.3 < (spine / trunk).mean() < 0.7
    assert joints.stature == pytest.approx(170, rel=0.06)


def test_a_limb_that_cannot_be_found_is_one_sentence() -> None:
    text = bvh_text(frames=2, names=ABSTRACT).replace("OFFSET -28.000000", "OFFSET -3.000000")
    hierarchy = parse(text.encode(), "odd.bvh").hierarchy
    with pytest.raises(InputError, match=r"odd\.bvh: .*neither among the known names nor clear.*option joints"):
        map_joints(hierarchy, "odd.bvh", {})
    with pytest.raises(InputError, match="no joint 'foot'"):
        map_joints(hierarchy, "odd.bvh", {"LFoot": "foot"})


LOST = {"lshoulder": "LeftShoulder", "rshoulder": "RightShoulder"}


def without_chest_bone(text: str) -> str:
    """The neck and both shoulders begin where the chest does."""
    for part in ("neck", "lshoulder", "rshoulder"):
        x, y, z = BODY[part][1]
        text = text.replace(f"OFFSET {x:.6f} {y:.6f} {z:.6f}", "OFFSET 0 0 0", 1)
    return text


@pytest.mark.parametrize("names", [{"hips": "LowerBack"}, {"hips": "lowerback", "spine": "Chest2"}, {}])
def test_the_bone_that_amc2bvh_loses_is_put_back(names: dict[str, str]) -> None:
    text = bvh_text(frames=2, names=LOST | names)
    assert not map_joints(parse(text.encode(), "whole.bvh").hierarchy, "", {}).completed
    joints = map_joints(parse(without_chest_bone(text).encode(), "lost.bvh").hierarchy, "", {})
    assert joints.completed
    tree = joints.hierarchy
    np.testing.assert_array_equal(tree.offsets[tree.names.index("Neck")], BODY["spine"][1])


def test_the_tip_of_the_foot_lies_beyond_heel_and_ball() -> None:
    body = dict(BODY)
    for side in "lr":
        body |= {f"{side}heel": (f"{side}foot", (0, -5, -5), f"{side}_heel")}
        body |= {f"{side}toe": (f"{side}heel", (0, -1, 19), BODY[f"{side}toe"][2])}
    hierarchy = parse(bvh_text(frames=2, body=body).encode(), "heel.bvh").hierarchy
    joints = map_joints(hierarchy, "heel.bvh", {})
    tips = [hierarchy.names[int(row.argmax())] for row in joints.weights[len(JOINTS) :]]
    assert tips == ["LeftToeBase/end", "RightToeBase/end"]


def test_a_head_without_an_end_has_its_top_above_it_and_turns_with_it() -> None:
    body = BODY | {"head": ("neck", (0, 7, 6), "Head")}  # ahead of the neck, as SMPL's

    def upright_then_nodding(rows: np.ndarray) -> np.ndarray:
        rows = np.zeros_like(rows[:2])
        rows[1, 3 + 3 * list(body).index("head") + 1] = 90  # about x, forward
        return rows

    for end in ({}, {"head": (0.0, 0.0, 0.0)}):
        ends = {part: offset for part, offset in ENDS.items() if part != "head"} | end
        text = bvh_text(body=body, ends=ends, change=upright_then_nodding)
        motion = parse(text.encode(), "smpl.bvh")
        joints = map_joints(motion.hierarchy, "smpl.bvh", {})
        places = joint_positions(dataclasses.replace(motion, hierarchy=joints.hierarchy), joints.weights)
        top = places[:, JOINTS.index("Head")] - places[:, JOINTS.index("Neck/Nose")]
        length = float(np.linalg.norm(top[0]))
        assert 10 < length < 25
        np.testing.assert_allclose(top, [[0, length, 0], [0, 0, length]], atol=0.05 * length)
