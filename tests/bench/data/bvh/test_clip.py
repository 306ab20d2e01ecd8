from __future__ import annotations

import random
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from bench.data.archive import read_archive
from bench.data.bvh.clip import UNITS, Settings, read_clip, resample
from bench.data.human36m.files import JOINTS as STORED
from models.errors import InputError
from models.skeleton import HUMAN36M
from tests.bench.data import CMU
from tests.bench.data.bvh import BODY, CMU_BVH, ENDS, bvh_text, column, with_rate, write_bvh

needs_cmu = pytest.mark.skipif(not (CMU_BVH.is_dir() and CMU.is_dir()), reason=f"no files in {CMU_BVH}")
SAME = {  # file: take of S1 in the Human3.6M format that was made from the same recording
    "walking": "Walking", "running": "Running", "jumping": "Jumping", "soccer": "Soccer",
    "basketball": "Basketball",
}  # fmt: skip
MIDDLE = (
    "Spine",
    "Thorax",
    "Neck/Nose",
    "Head",
)  # which the other conversion placed otherwise, by a few centimetres
LIMBS = [number for number, name in enumerate(HUMAN36M.joints) if name not in MIDDLE]


def distances(poses: np.ndarray) -> np.ndarray:
    """Distances between all joints of a pose: what a body is, wherever it stands."""
    return np.linalg.norm(poses[:, :, None] - poses[:, None], axis=-1)


@needs_cmu
@pytest.mark.parametrize("name", SAME)
def test_real_files_give_the_motion_that_others_made_of_them(name: str) -> None:
    clip = read_clip(CMU_BVH / f"{name}.bvh", Settings())
    takes = read_archive(CMU / "data_3d_h36m.npz", "positions_3d")
    assert isinstance(takes, dict)
    theirs = takes["S1"][SAME[name]][:, STORED].astype(np.float64)[:, LIMBS]
    ours = clip.world.astype(np.float64)[:, LIMBS]
    frames = min(len(ours), len(theirs))
    assert frames >= 60
    difference = np.abs(distances(ours[:frames]) - distances(theirs[:frames]))
    assert difference.mean() < 5e-4  # metres
    travelled = [np.linalg.norm(np.diff(poses[:frames, 0], axis=0), axis=-1).sum() for poses in (ours, theirs)]
    assert travelled[0] == pytest.approx(travelled[1], rel=0.03)
    assert (clip.unit, clip.up, clip.mirrored, clip.guessed) == ("cm", "y", False, ())


@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_follows_from_the_body(tmp_path: Path, unit: str) -> None:
    plain = read_clip(write_bvh(tmp_path / "cm.bvh"), Settings())
    scaled = read_clip(write_bvh(tmp_path / "other.bvh", scale=0.01 / UNITS[unit]), Settings())
    assert scaled.unit == unit
    np.testing.assert_allclose(scaled.world, plain.world, atol=2e-4)


@pytest.mark.parametrize("turn", [1, 2])
def test_the_upward_axis_follows_from_the_body(tmp_path: Path, turn: int) -> None:
    plain = read_clip(write_bvh(tmp_path / "y.bvh"), Settings())
    axes = np.roll(np.eye(3), turn, axis=0)
    # rotation channels keep their axes, so the turned body moves otherwise: its size and its stand are compared
    turned = read_clip(write_bvh(tmp_path / "other.bvh", turn=axes), Settings())
    assert (plain.up, turned.up) == ("y", {1: "z", 2: "x"}[turn])
    height = turned.world[..., 2].max() - turned.world[..., 2].min()
    assert height == pytest.approx(plain.world[..., 2].max() - plain.world[..., 2].min(), abs=0.1)
    assert turned.world[:, 10, 2].min() > 1.3


def test_left_handed_coordinates_are_mirrored(tmp_path: Path) -> None:
    right = read_clip(write_bvh(tmp_path / "right.bvh"), Settings())
    left = read_clip(write_bvh(tmp_path / "left.bvh", turn=np.diag([-1.0, 1, 1])), Settings())
    assert (right.mirrored, left.mirrored) == (False, True)
    for clip in (right, left):
        across = clip.world[:, 4] - clip.world[:, 1]  # from the right hip to the left
        forward = np.cross(across, [0, 0, 1])
        nose = clip.world[:, 9] - clip.world[:, 8]
        assert ((forward * nose).sum(-1) > 0).mean() > 0.7


def test_toes_alone_mirror_nobody(tmp_path: Path) -> None:
    body = BODY | {f"{side}toe": (f"{side}foot", (0, -6, -14), BODY[f"{side}toe"][2]) for side in "lr"}
    ends = ENDS | {"ltoe": (0, 0, -6), "rtoe": (0, 0, -6)}
    clip = read_clip(write_bvh(tmp_path / "a.bvh", body=body, ends=ends), Settings())
    assert not clip.mirrored
    assert any("toes point backwards but knees bend forward" in remark for remark in clip.remarks)
    plain = read_clip(write_bvh(tmp_path / "b.bvh"), Settings())
    np.testing.assert_array_equal(clip.world, plain.world)
    assert plain.remarks == ()


def test_an_end_of_the_head_that_points_sideways_is_not_its_top(tmp_path: Path) -> None:
    def turned_head(rows: np.ndarray) -> np.ndarray:
        rows[:, column("head")] -= 90  # about z: to the right
        return rows

    clip = read_clip(write_bvh(tmp_path / "a.bvh", change=turned_head), Settings())
    thorax, nose, top = clip.world[:, 8], clip.world[:, 9], clip.world[:, 10]
    neck, head = nose - thorax, top - nose
    lengths = np.linalg.norm(neck, axis=-1) * np.linalg.norm(head, axis=-1)
    assert ((neck * head).sum(-1) / lengths).min() > 0.99
    assert any("head points sideways" in remark for remark in clip.remarks)


def rest_pose_first(rows: np.ndarray) -> np.ndarray:
    rest = np.zeros_like(rows[:1])
    rest[:, :3] = rows[0, :3]
    return np.concatenate([rest, rows])


def elsewhere_first(rows: np.ndarray) -> np.ndarray:
    first = rows[:1].copy()
    first[:, :3] += 200
    return np.concatenate([first, rows])


@pytest.mark.parametrize(
    ("change", "word"), [(rest_pose_first, "a rest pose"), (elsewhere_first, "far from the next")]
)
def test_a_first_frame_that_is_no_motion_is_left_out(tmp_path: Path, change, word: str) -> None:
    plain = read_clip(write_bvh(tmp_path / "a.bvh"), Settings())
    clip = read_clip(write_bvh(tmp_path / "b.bvh", change=change), Settings())
    np.testing.assert_allclose(clip.world, plain.world, atol=1e-6)
    (remark,) = clip.remarks
    assert remark.startswith("the first frame")
    assert word in remark


@pytest.mark.parametrize("speed", [1, 6])
def test_a_motion_that_begins_in_the_rest_pose_is_whole(tmp_path: Path, speed: int) -> None:
    def from_rest(rows: np.ndarray) -> np.ndarray:
        rows[:, 3:] *= np.clip(np.arange(len(rows)) * speed / len(rows), 0, 1)[:, None]
        return rows

    clip = read_clip(write_bvh(tmp_path / "a.bvh", change=from_rest, frames=100), Settings())
    assert len(clip.world) == 50
    assert clip.remarks == ()


def test_a_low_frame_rate_is_said(tmp_path: Path) -> None:
    for rate, said in ((8, 1), (12, 0)):
        clip = read_clip(write_bvh(tmp_path / f"{rate}.bvh", fps=rate), Settings())
        assert len([remark for remark in clip.remarks if "frames per second only" in remark]) == said


def test_resampling_takes_no_memory_that_the_file_does_not_explain(tmp_path: Path) -> None:
    path = tmp_path / "long.bvh"
    head, _, _ = bvh_text(frames=2).partition("Frames:")
    hierarchy = head.replace("CHANNELS 3 Zrotation Xrotation Yrotation", "CHANNELS 0")
    hierarchy = hierarchy.replace(
        "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation", "CHANNELS 1 Zrotation"
    )
    path.write_text(f"{hierarchy}Frames: 21000\nFrame Time: 1.0\n" + "0\n" * 21_000)
    with pytest.raises(InputError, match="Frame Time"):
        read_clip(path, Settings())
    path.write_text(with_rate(path.read_text(), "0.2"))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"would become 210,000, more than 200,000: .*source_fps"):
        read_clip(path, Settings())
    with pytest.raises(InputError, match="would become"):
        read_clip(path, Settings(source_fps=1))
    clip = read_clip(path, Settings(source_fps=15))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(clip.world) == 69_997
    assert most < 150 * 2**20


@pytest.mark.parametrize(
    ("settings", "stature", "unit"),
    [
        (Settings(unit=0.1), 1.69, "0.1 m"),
        (Settings(stature=1.5), 1.5, "0.08873 m"),
        (Settings(unit="m"), 16.9, "m"),
    ],
)
def test_any_unit_can_be_given(tmp_path: Path, settings: Settings, stature: float, unit: str) -> None:
    path = write_bvh(tmp_path / "decimetres.bvh", scale=0.1)
    with pytest.raises(InputError, match=r"in metres \(0\.1 for decimetres\), or the option stature=1\.7"):
        read_clip(path, Settings())
    clip = read_clip(path, settings)
    assert clip.stature == pytest.approx(stature, rel=0.01)
    assert clip.unit == unit


def test_what_may_be_no_person_is_said(tmp_path: Path) -> None:
    short = {"knee": (0, -16, 0), "foot": (0, -14, 0)}
    body = {part: (parent, short.get(part[1:], offset), name) for part, (parent, offset, name) in BODY.items()}
    dog = read_clip(write_bvh(tmp_path / "dog.bvh", body=body), Settings(unit="cm"))
    assert any("it may be no person" in remark for remark in dog.remarks)

    def taking_off(rows: np.ndarray) -> np.ndarray:
        rows[len(rows) // 4 :, 1] += np.linspace(0, 300, len(rows) - len(rows) // 4)
        return rows

    flying = read_clip(write_bvh(tmp_path / "up.bvh", change=taking_off, frames=200), Settings())
    assert any("nearer to the floor" in remark for remark in flying.remarks)


def test_frames_are_resampled_by_cubics() -> None:
    times = np.arange(30) / 120
    curve = np.stack([3 + times, times**2, np.sin(8 * times)], axis=-1)
    out = resample(curve, 120, 50)
    at = np.arange(len(out)) / 50
    assert len(out) == int(29 / 120 * 50) + 1
    np.testing.assert_allclose(out[:, 0], 3 + at, atol=1e-12)
    np.testing.assert_allclose(out[1:-1, 1], at[1:-1] ** 2, atol=1e-12)
    np.testing.assert_allclose(out[1:-1, 2], np.sin(8 * at[1:-1]), atol=1e-4)
    np.testing.assert_allclose(out[:, 2], np.sin(8 * at), atol=1e-3)
    np.testing.assert_array_equal(resample(curve, 50, 50), curve)
    np.testing.assert_array_equal(resample(curve, 100, 50), curve[::2])
    assert len(resample(curve[:1], 120, 50)) == 1
    assert len(resample(curve[:2], 30, 50)) == 2


def test_frame_rates_give_the_same_motion(tmp_path: Path) -> None:
    slow, fast = (
        read_clip(write_bvh(tmp_path / f"{fps}.bvh", fps=fps, frames=fps), Settings()).world for fps in (60, 240)
    )
    frames = min(len(slow), len(fast))
    assert np.abs(slow[:frames] - fast[:frames]).max() < 1e-3


def test_bones_keep_their_length(tmp_path: Path) -> None:
    world = read_clip(write_bvh(tmp_path / "a.bvh", fps=120, frames=200), Settings()).world
    for parent, child in ((1, 2), (2, 3), (14, 15), (15, 16)):
        assert np.ptp(np.linalg.norm(world[:, parent] - world[:, child], axis=-1)) < 1e-3


def test_the_floor_is_at_zero(tmp_path: Path) -> None:
    world = read_clip(write_bvh(tmp_path / "a.bvh"), Settings()).world
    assert 0 < world[..., 2].min() < 0.15


@pytest.mark.parametrize(
    ("how", "given", "sentence"),
    [
        ({"scale": 0.247}, {}, "give the unit"),
        ({"turn": np.array([[0.7071, 0.7071, 0], [-0.7071, 0.7071, 0], [0, 0, 1.0]])}, {}, "which one points up"),
        ({}, {"unit": "m"}, ""),
        ({"scale": 0.247}, {"unit": "cm"}, ""),
        ({"turn": np.array([[0.7071, 0.7071, 0], [-0.7071, 0.7071, 0], [0, 0, 1.0]])}, {"up": "y"}, ""),
    ],
)
def test_what_is_not_clear_is_asked_for(tmp_path: Path, how: dict, given: dict, sentence: str) -> None:
    path = write_bvh(tmp_path / "odd.bvh", **how)
    if not sentence:
        assert len(read_clip(path, Settings(**given)).world) > 0
        return
    with pytest.raises(InputError, match=sentence):
        read_clip(path, Settings(**given))


NUMBERS = ("0", "-5", "180", "1e6", "1e-9", "33")


def test_altered_rigs_are_read_or_refused_in_a_sentence(tmp_path: Path) -> None:
    plain, names = bvh_text(frames=8), [name for _, _, name in BODY.values()]
    draw, read = random.Random(0), 0
    complaints = []
    for _ in range(100):
        text = plain
        for _ in range(draw.randint(1, 3)):
            number = draw.choice(list(re.finditer(r"-?\d+\.\d+", text)))
            text = text[: number.start()] + draw.choice(NUMBERS) + text[number.end() :]
        if draw.random() < 0.4:
            text = text.replace(draw.choice(names), draw.choice(["x", "LeftLeg", "Head"]))
        path = tmp_path / "altered.bvh"
        path.write_text(text)
        try:
            clip = read_clip(path, Settings(unit=draw.choice([None, None, 1e-6, 1e3])))
        except InputError as error:
            complaints.append(str(error))
        else:
            read += 1
            assert np.isfinite(clip.world).all()
    assert read > 30
    assert complaints
    assert not [complaint for complaint in complaints if "\n" in complaint or len(complaint) > 800]
