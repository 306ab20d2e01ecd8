"""From a file of key points to BVH and back."""

import numpy as np
import pytest

from bench.data.bvh.clip import Settings as ClipSettings
from bench.data.bvh.clip import joint_positions, read_clip
from bench.data.bvh.format import read_file
from bench.footage.bvh import NAMES, bone_lengths, write_bvh
from bench.footage.files import write_motion
from bench.footage.keypoints import load_key_points
from bench.footage.lift import Settings
from bench.footage.predict import predict
from models.skeleton import HUMAN36M
from tests.bench.footage import walker
from tests.bench.footage.known_depth import known_depth
from tests.bench.footage.test_lift import CPU, key_points


def joints_in(path):
    """``[T, 17, 3]`` metres in camera axes, of all nodes by their names."""
    motion = read_file(path)
    names = list(motion.hierarchy.names)
    places = joint_positions(motion, np.eye(len(names)))[:, [names.index(name) for name in NAMES]]
    return places / 100 * [1, -1, -1], motion


def test_from_json_to_bvh_and_back(tmp_path):
    file = walker.write_mmpose(tmp_path / "walk.json", [walker.in_layout("coco")])
    points = load_key_points(file, (walker.WIDTH, walker.HEIGHT), fps=50)
    prediction = predict(points, known_depth(), Settings(), CPU, tmp_path, focal_pixels=1150).prediction
    (written,) = write_motion(tmp_path / "walk.bvh", prediction)
    found, _ = joints_in(written)
    assert np.abs(found - prediction.poses - prediction.roots[:, None]).max() < 1e-3


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_joints_come_back(noise, tmp_path):
    """Also where bones change their length: a joint's translation takes that up."""
    poses, roots = walker.walk()
    poses += noise * np.random.default_rng(0).normal(size=poses.shape).astype(np.float32)
    poses -= poses[:, :1]
    write_bvh(tmp_path / "walk.bvh", poses, roots, 50)
    found, motion = joints_in(tmp_path / "walk.bvh")
    assert np.abs(found - poses - roots[:, None]).max() < 1e-3
    assert motion.frame_time == pytest.approx(0.02)
    assert motion.remarks == ()


def test_rotations_carry_the_motion(tmp_path):
    """Without the translations, the rigid skeleton in its rotations is near the poses: its bones are theirs."""
    poses, roots = walker.walk()
    write_bvh(tmp_path / "walk.bvh", poses, roots, 50)
    motion = read_file(tmp_path / "walk.bvh")
    hierarchy = motion.hierarchy
    for node, channels in enumerate(hierarchy.channels[1:], 1):
        for kind, axis, column in channels:
            if kind == "position":
                motion.values[:, column] = hierarchy.offsets[node, axis]
    weights = np.eye(len(hierarchy.names))[[list(hierarchy.names).index(name) for name in NAMES]]
    rigid = joint_positions(motion, weights) / 100 * [1, -1, -1]
    assert np.abs(rigid - poses - roots[:, None]).max() < 0.08
    assert np.median(np.abs(rigid - poses - roots[:, None])) < 0.01
    legs = [HUMAN36M.joints.index(joint) for joint in ("LKnee", "RKnee")]
    assert bone_lengths(poses)[legs] == pytest.approx(0.44, rel=0.1)


def test_the_suites_own_reader_takes_the_file(tmp_path):
    poses, roots = walker.walk()
    write_bvh(tmp_path / "walk.bvh", poses, roots, 50)
    clip = read_clip(tmp_path / "walk.bvh", ClipSettings())
    assert (clip.unit, clip.up, clip.mirrored, clip.guessed) == ("cm", "y", False, ())
    assert 1.5 < clip.stature < 1.9
    turned = (poses * [1, -1, -1])[..., [2, 0, 1]]  # y up → z up
    away = np.abs(clip.world - clip.world[:, :1] - turned).max(axis=(0, 2))
    limbs = [number for number, joint in enumerate(HUMAN36M.joints) if joint not in ("Thorax", "Spine")]
    assert away[limbs].max() < 0.001  # its thorax lies between the shoulders


def test_a_video_in_pieces_is_several_files(tmp_path):
    points = key_points(tmp_path, lost=range(20, 40))
    prediction = predict(points, known_depth(), Settings(), CPU, tmp_path, focal_pixels=1150).prediction
    written = write_motion(tmp_path / "walk.bvh", prediction)
    assert [path.name for path in written] == ["walk-1.bvh", "walk-2.bvh"]
    poses, roots = walker.walk()
    for path, frames in zip(written, (slice(0, 20), slice(40, 60)), strict=True):
        found, _ = joints_in(path)
        assert np.abs(found - poses[frames] - roots[frames, None]).max() < 0.01
