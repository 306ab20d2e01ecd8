"""Files that were read wrongly or not at all: each behaves as ``cases/README.md`` beside the repository says."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.data.bvh.clip import JOINT, Clip, Settings, read_clip
from bench.data.bvh.reader import BVH
from models.errors import InputError
from tests import SHARED
from tests.bench.data.bvh import CMU_BVH

CASES = SHARED / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"no files in {CASES}")


def case(name: str, settings: Settings | None = None) -> Clip:
    return read_clip(CASES / "bvh" / f"{name}.bvh", settings or Settings())


def part(clip: Clip, *joints: str) -> np.ndarray:
    """``[T, 3]`` from the first of two joints to the second."""
    one, two = (clip.world[:, JOINT[joint]].astype(np.float64) for joint in joints)
    return two - one


def angles(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """``[T]`` degrees."""
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(two, axis=-1)
    return np.degrees(np.arccos(np.clip((one * two).sum(-1) / lengths, -1, 1)))


@pytest.fixture(scope="module")
def walking() -> Clip:
    return read_clip(CMU_BVH / "walking.bvh", Settings())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("heel_joint_between_foot_and_toes", Settings()),
        ("decimetres", Settings(unit=0.1)),
        ("one_row_more_than_declared", Settings()),
        ("one_frame_per_second", Settings(source_fps=15)),
    ],
)
def test_rigs_of_other_programs_give_the_motion_itself(walking: Clip, name: str, settings: Settings) -> None:
    clip = case(name, settings)
    assert not clip.mirrored
    assert np.abs(clip.world - walking.world[: len(clip.world)]).max() < 0.03  # metres; they have fewer frames


def test_what_cannot_be_read_says_what_helps() -> None:
    with pytest.raises(InputError, match=r"0\.1 for decimetres.*stature=1\.7"):
        case("decimetres")
    assert case("decimetres", Settings(stature=1.7)).stature == pytest.approx(1.7)
    with pytest.raises(InputError, match="source_fps"):
        case("one_frame_per_second")
    assert any("one row more" in remark for remark in case("one_row_more_than_declared").remarks)


def test_head_tops_are_above_heads(walking: Clip) -> None:
    smpl, whole = case("smpl_names_head_ahead_of_neck"), part(walking, "Neck/Nose", "Head")
    frames = len(smpl.world)
    assert angles(part(smpl, "Neck/Nose", "Head"), whole[:frames]).max() < 10
    rokoko = case("rokoko_head_end_sideways")
    assert angles(part(rokoko, "Neck/Nose", "Head"), part(rokoko, "Thorax", "Neck/Nose")).max() < 60


def test_the_rest_pose_is_no_motion() -> None:
    clip = case("cmu_cgspeed_rest_pose_first")
    steps = np.linalg.norm(np.diff(clip.world, axis=0), axis=-1).mean(axis=-1)
    assert steps[0] < 2 * np.median(steps)
    assert any(remark.startswith("the first frame") for remark in clip.remarks)


def test_a_child_is_as_tall_as_the_note_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    dataset = BVH().read(CASES / "bvh" / "child_inches.bvh", "gt")
    assert any("unit inch" in note and "a body of 1.17 m" in note for note in dataset.notes)


def made(name: str, kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that a script of ``cases/make`` writes."""
    monkeypatch.syspath_prepend(str(CASES / "make"))
    monkeypatch.setattr(sys, "argv", [name, str(folder), kind])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    runpy.run_path(str(CASES / "make" / name), run_name="__main__")
    return folder


def test_joints_are_known_whatever_programs_call_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read_clip(made("20_bvh_names.py", "mixamo", tmp_path / "m", monkeypatch) / "walking.bvh", Settings())
    text = (tmp_path / "m" / "walking.bvh").read_text()
    sides = {"LeftUpLeg": "{}upLeg", "LeftLeg": "{}shank", "LeftFoot": "{}foot", "LeftArm": "{}upperArm"}
    sides |= {"LeftForeArm": "{}foreArm", "LeftHand": "{}hand", "LeftShoulder": "{}clavicle"}

    def called(found: re.Match[str]) -> str:
        name = found[2].removeprefix("mixamorig:")
        side = {"L": "left_", "R": "right_"}.get(name[0], "")
        own = sides.get(name.replace("Right", "Left", 1), name).replace("{}", side)
        return f"{found[1]} {own}_joint"

    path = tmp_path / "suffix.bvh"
    path.write_text(re.sub(r"(ROOT|JOINT) (\S+)", called, text))
    assert "left_shank_joint" in path.read_text()
    clip = read_clip(path, Settings())
    assert clip.guessed == ()
    np.testing.assert_array_equal(clip.world, plain.world)


def test_a_collar_bone_called_shoulder_is_no_shoulder(tmp_path: Path, walking: Clip) -> None:
    """Auto-Rig Pro calls collar bones so; its upper arms are arm_stretch."""
    text = (CMU_BVH / "walking.bvh").read_text()
    for side, end in (("Left", ".l"), ("Right", ".r")):
        text = text.replace(f"{side}Shoulder\n", f"shoulder{end}\n").replace(f"{side}Arm\n", f"arm_stretch{end}\n")
    assert text.count("_stretch") == 2
    path = tmp_path / "a.bvh"
    path.write_text(text)
    np.testing.assert_array_equal(read_clip(path, Settings()).world, walking.world)


@pytest.mark.parametrize(
    ("kind", "subjects", "classes"),
    [
        ("lafan", {"subject1", "subject2", "subject5"}, {"walk", "run", "jumps"}),
        ("100style", {"subject"}, {"Angry", "Drunk", "Old"}),
        ("bandai", {"subject"}, {"walk", "run"}),
        ("beat", {"wayne", "scott"}, {"speech"}),
    ],
)
def test_known_collections_say_who_moves_and_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, subjects: set[str], classes: set[str]
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    dataset = BVH().read(made("24_bvh_folders.py", kind, tmp_path / kind, monkeypatch), "gt")
    everything = dataset.train + dataset.test
    assert {sequence.subject for sequence in everything} == subjects
    assert {sequence.action_class for sequence in everything} == classes
    assert not any("is known from training" in note for note in dataset.notes)


@pytest.mark.parametrize("kind", ["slow", "fast", "single", "huge", "tiny", "onefewer", "fps", "notime"])
def test_strange_frames_are_read_or_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = made("23_bvh_frames.py", kind, tmp_path, monkeypatch) / "walking.bvh"
    if kind in ("slow", "fast", "single"):
        assert len(read_clip(path, Settings()).world) > 0
        return
    with pytest.raises(InputError) as raised:
        read_clip(path, Settings())
    assert "\n" not in str(raised.value)
    if kind in ("huge", "tiny"):
        assert read_clip(path, Settings(stature=1.7)).stature == pytest.approx(1.7)
