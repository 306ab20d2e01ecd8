from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data import load
from bench.data.cameras.camera import project
from bench.data.human36m.cameras import SUBJECTS, cameras
from bench.data.human36m.files import JOINTS
from bench.data.human36m.reader import Human36M, label
from bench.data.sequence import Dataset, Sequence
from models.errors import InputError
from tests.bench.data import CMU
from tests.bench.data.test_archive import boxed

needs_cmu = pytest.mark.skipif(not CMU.is_dir(), reason=f"no files in {CMU}")


def save(path: Path, key: str, value: Any) -> None:
    box = np.empty((), dtype=object)
    box[()] = value
    np.savez(path, **{key: box})


def _view(rng: np.random.Generator) -> np.ndarray:
    """Seven frames of pixels and confidence; detectors leave 0 to 1 by a little."""
    return np.concatenate([rng.uniform(200, 800, (7, 17, 2)), rng.uniform(-0.1, 1.1, (7, 17, 1))], axis=-1)


def read(root: Path | None, detections: str) -> Dataset:
    return load("human36m", root, detections)


class Folder:
    """A small folder in Human3.6M layout, to be spoiled in one place."""

    def __init__(self, root: Path) -> None:
        rng = np.random.default_rng(0)
        takes = {subject: ["Walking", "Eating 1"] for subject in SUBJECTS}
        takes["S11"] = ["Directions", "Directions 1"]
        self.root = root
        self.poses: Any = {
            subject: {name: rng.normal((0, 0, 1), 0.3, (6, 32, 3)).astype(np.float32) for name in names}
            for subject, names in takes.items()
        }
        self.keypoints: Any = {
            subject: {name: [_view(rng) for _ in range(4)] for name in names} for subject, names in takes.items()
        }

    def read(self, detections: str = "cpn") -> Any:
        save(self.root / "data_3d_h36m.npz", "positions_3d", self.poses)
        save(self.root / "data_2d_h36m_cpn_ft_h36m_dbb.npz", "positions_2d", self.keypoints)
        return read(self.root, detections)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_reads_the_field_s_layout(folder: Folder) -> None:
    dataset = folder.read()
    assert {sequence.subject for sequence in dataset.train} == {"S1", "S5", "S6", "S7", "S8"}
    assert [sequence.key for sequence in dataset.test[8:]] == [
        f"S11/Directions 1/{camera.name}" for camera in cameras("S11")
    ]
    sequence = next(s for s in dataset.train if s.key == "S5/Eating 1/58860488")
    camera = cameras("S5")[2]
    world = folder.poses["S5"]["Eating 1"][:, JOINTS]
    np.testing.assert_allclose(
        sequence.pose_3d + sequence.trajectory[:, None], camera.from_world(world), atol=1e-5
    )
    assert not sequence.pose_3d[:, 0].any()
    pixels = folder.keypoints["S5"]["Eating 1"][2][:6, :, :2]
    np.testing.assert_allclose(sequence.pose_2d, pixels / 500 - [1, 1], atol=1e-6)
    assert (len(sequence), sequence.fps, sequence.width, sequence.height) == (6, 50, 1000, 1000)
    assert dataset.label == "data in Human3.6M format (7 subjects, 72 test frames)"
    assert dataset.detections == "cpn"
    assert folder.read("cpn_ft_h36m_dbb").detections == "cpn"


def test_a_third_column_is_the_confidence(folder: Folder) -> None:
    sequence = next(s for s in folder.read().test if s.key == "S9/Eating 1/55011271")
    expected = folder.keypoints["S9"]["Eating 1"][1][:6, :, 2].clip(0, 1)
    np.testing.assert_allclose(sequence.confidence, expected, atol=1e-6)
    for actions in folder.keypoints.values():
        for action, views in actions.items():
            actions[action] = [view[:, :, :2] for view in views]
    assert all(s.confidence is None for s in folder.read().train + folder.read().test)


@pytest.mark.parametrize("layout", ["h36m", "coco"])
@pytest.mark.parametrize("dtype", ["i4", "i8", "u2", "f2"])
@pytest.mark.filterwarnings("error")
def test_whole_pixels_are_the_same_places(folder: Folder, layout: str, dtype: str) -> None:
    rounded = {
        subject: {action: [view[..., :2].round() for view in views] for action, views in actions.items()}
        for subject, actions in folder.keypoints.items()
    }
    found = []
    for kind in (np.float32, dtype):
        folder.keypoints = {
            subject: {action: [view.astype(kind) for view in views] for action, views in actions.items()}
            for subject, actions in rounded.items()
        }
        folder.read()
        boxes = {"positions_2d": folder.keypoints, "metadata": {"layout_name": layout}}
        for key, value in boxes.items():
            boxes[key] = np.empty((), dtype=object)
            boxes[key][()] = value
        np.savez(folder.root / "data_2d_h36m_cpn_ft_h36m_dbb.npz", **boxes)
        found.append(read(folder.root, "cpn").test[0].pose_2d)
    assert np.ptp(found[0]) > 1
    np.testing.assert_allclose(found[1], found[0], atol=5e-4 if dtype == "f2" else 1e-6)


def test_what_is_left_out_is_said(folder: Folder) -> None:
    (note,) = folder.read().notes
    assert note.startswith("S11 Directions (the first take) is left out")
    del folder.poses["S11"]["Directions"], folder.keypoints["S11"]["Directions"]
    assert folder.read().notes == ()


@pytest.mark.parametrize("name", ["sh_pt_mpii", "detectron_ft_h36m", "detectron_pt_h36m"])
def test_any_source_works_by_its_name(folder: Folder, name: str) -> None:
    folder.read()
    (folder.root / "data_2d_h36m_cpn_ft_h36m_dbb.npz").rename(folder.root / f"data_2d_h36m_{name}.npz")
    dataset = read(folder.root, name)
    assert dataset.detections == name
    with pytest.raises(InputError, match=rf"no 'cpn' detections.*\({name}\)"):
        read(folder.root, "cpn")


def test_fingerprint_sees_every_number(folder: Folder) -> None:
    first = folder.read().fingerprint
    assert len(first) == 16
    assert folder.read().fingerprint == first
    folder.keypoints["S9"]["Walking"][3][5, 16, 1] += 0.01
    second = folder.read().fingerprint
    folder.poses["S1"]["Walking"][0, 0, 0] += 0.001
    third = folder.read().fingerprint
    folder.keypoints["S1"]["Walking"][0][2, 5, 2] = 0.123
    assert len({first, second, third, folder.read().fingerprint}) == 4


def test_only_complete_counts_are_called_by_the_name() -> None:
    def frames(count: int) -> tuple[Sequence, ...]:
        array = np.broadcast_to(np.zeros(1, dtype=np.float32), (count,))
        return (Sequence("S1", "Walking", "a", 50.0, array, array, array, array, 1, 1),)

    assert label(frames(Human36M.complete[0]), frames(Human36M.complete[1])) == "Human3.6M"
    assert "format" in label(frames(Human36M.complete[0]), frames(Human36M.complete[1] - 1))
    assert "format" in label(frames(Human36M.complete[0] - 1), frames(Human36M.complete[1]))


def drop_2d_subject(folder: Folder) -> None:
    del folder.keypoints["S9"]


def drop_3d_action(folder: Folder) -> None:
    del folder.poses["S6"]["Walking"]


def shorten_2d(folder: Folder) -> None:
    folder.keypoints["S1"]["Walking"][1] = folder.keypoints["S1"]["Walking"][1][:5]


def drop_camera(folder: Folder) -> None:
    del folder.keypoints["S1"]["Walking"][1]


def nan_3d(folder: Folder) -> None:
    folder.poses["S8"]["Eating 1"][4, 3, 1] = np.nan


def infinite_2d(folder: Folder) -> None:
    folder.keypoints["S8"]["Eating 1"][2][3, 3, 1] = np.inf


def selected_joints(folder: Folder) -> None:
    folder.poses["S1"]["Walking"] = folder.poses["S1"]["Walking"][:, :17]


def few_keypoints(folder: Folder) -> None:
    folder.keypoints["S1"]["Walking"][0] = folder.keypoints["S1"]["Walking"][0][:, :16]


def uncertain_camera(folder: Folder) -> None:
    folder.keypoints["S1"]["Walking"][2] = folder.keypoints["S1"]["Walking"][2][:, :, :2]


def sure_in_percent(folder: Folder) -> None:
    for view in folder.keypoints["S9"]["Walking"]:
        view[:, :, 2] *= 100


def uncertain_take(folder: Folder) -> None:
    folder.keypoints["S9"]["Walking"] = [view[:, :, :2] for view in folder.keypoints["S9"]["Walking"]]


def texts(folder: Folder) -> None:
    folder.keypoints["S1"]["Walking"][0] = folder.keypoints["S1"]["Walking"][0].astype("U8")


def numbered_subjects(folder: Folder) -> None:
    folder.poses = {1: {}}


def endless_name(folder: Folder) -> None:
    folder.poses["S1"]["Walking\n" * 1000] = folder.poses["S1"]["Walking"]


def empty_take(folder: Folder) -> None:
    folder.poses["S1"]["Walking"] = folder.poses["S1"]["Walking"][:0]


def strange_subject(folder: Folder) -> None:
    folder.poses["S2"] = folder.keypoints["S2"] = {}


def no_test_subject(folder: Folder) -> None:
    for subject in ("S9", "S11"):
        del folder.poses[subject], folder.keypoints[subject]


def flat_list(folder: Folder) -> None:
    folder.poses = [1, 2, 3]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (drop_2d_subject, r"subject S9 is in .*3d_h36m\.npz but not in .*dbb\.npz"),
        (drop_3d_action, r"S6/Walking is in .*dbb\.npz but not in .*3d_h36m\.npz"),
        (shorten_2d, r"dbb\.npz, S1/Walking, camera 1: 5 frames of 2D for 6 of 3D"),
        (drop_camera, r"dbb\.npz, S1/Walking: 2D poses are not a list of 4 arrays, one per camera, but list of 3"),
        (nan_3d, r"3d_h36m\.npz, S8/Eating 1: NaN or infinite coordinate in frame 4"),
        (infinite_2d, r"dbb\.npz, S8/Eating 1, camera 2: NaN or infinite coordinate in frame 3"),
        (
            selected_joints,
            r"Walking: the array of 3D poses is float32 \[6, 17, 3\], no numbers \[frames, 32, 3\]",
        ),
        (few_keypoints, r"S1/Walking, camera 0: 16 joints, as stacked hourglass .* in MPII's order"),
        (uncertain_camera, r"dbb\.npz, S1/Walking: only some of its cameras have a confidence"),
        (uncertain_take, r"dbb\.npz: other takes have a confidence, but S9/Walking has none"),
        (sure_in_percent, r"dbb\.npz, S9/Walking: its third column goes up to 1\d\d\.?\d*, which is no conf"),
        (texts, r"S1/Walking, camera 0: the array of 2D poses is <U8 \[7, 17, 3\], no numbers"),
        (numbered_subjects, r"key 'positions_3d': expected a dict"),
        (endless_name, r"key 'positions_3d': expected a dict"),
        (empty_take, r"S1/Walking: the take has no frames"),
        (strange_subject, r"subject S2 is none of S1"),
        (no_test_subject, r"no take of S9, S11"),
        (flat_list, r"key 'positions_3d': expected a dict"),
    ],
)
def test_failures_are_one_sentence(folder: Folder, spoil: Any, sentence: str) -> None:
    spoil(folder)
    with pytest.raises(InputError, match=sentence):
        folder.read()


def test_missing_things(folder: Folder) -> None:
    with pytest.raises(InputError, match="needs the folder"):
        read(None, "gt")
    with pytest.raises(InputError, match=r"data_2d_h36m_gt\.npz does not exist.*\(cpn\)"):
        folder.read("gt")
    with pytest.raises(InputError, match="does not exist"):
        read(folder.root / "nowhere", "gt")
    (folder.root / "data_3d_h36m.npz").unlink()
    with pytest.raises(InputError, match=r"data_3d_h36m\.npz does not exist"):
        read(folder.root, "cpn")
    save(folder.root / "data_3d_h36m.npz", "poses", folder.poses)
    with pytest.raises(InputError, match="has no key 'positions_3d' but poses"):
        read(folder.root, "cpn")


def number_for_a_camera(folder: Folder) -> None:
    folder.keypoints["S1"]["Walking"][0] = np.array(3.0)


def number_for_all_cameras(folder: Folder) -> None:
    folder.keypoints["S1"]["Walking"] = np.array(3.0)


def ragged_poses(folder: Folder) -> None:
    folder.poses["S1"]["Walking"] = [[[1.0, 2.0]], [[3.0]]]


def least_number(folder: Folder) -> None:
    folder.poses["S1"]["Walking"] = np.full((6, 32, 3), np.iinfo(np.int64).min)


def beyond_float32(folder: Folder) -> None:
    folder.keypoints["S1"]["Walking"][3] = np.full((7, 17, 3), 1e300)


def take_in_two_spellings(folder: Folder) -> None:
    folder.poses["S1"]["walking"] = folder.poses["S1"]["Walking"]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (number_for_a_camera, r"S1/Walking, camera 0: the array of 2D poses is float64 \[\], no numbers"),
        (number_for_all_cameras, r"S1/Walking: 2D poses are not a list of 4 arrays.* but float64 \[\]"),
        (ragged_poses, r"S1/Walking: the array of 3D poses is list, no numbers"),
        (least_number, r"S1/Walking: NaN or infinite coordinate in frame 0 \(6 frames of 6"),
        (beyond_float32, r"S1/Walking, camera 3: NaN or infinite coordinate in frame 0"),
        (take_in_two_spellings, r"3d_h36m\.npz: S1 has Walking, walking, which are names of one take"),
    ],
)
def test_odd_values_are_one_sentence(folder: Folder, spoil: Any, sentence: str) -> None:
    spoil(folder)
    with pytest.raises(InputError, match=sentence):
        folder.read()


def test_everything_that_cannot_be_used_is_named(folder: Folder) -> None:
    nan_3d(folder)
    shorten_2d(folder)
    with pytest.raises(InputError, match=r"S1/Walking, camera 1: .*; other takes .*: S8/Eating 1$"):
        folder.read()
    for path in folder.root.iterdir():
        path.write_text("<!DOCTYPE html><html>Quota exceeded</html>")
    with pytest.raises(InputError, match=r"3d_h36m\.npz is a web page.*; other files.*: .*cpn_ft_h36m_dbb\.npz$"):
        read(folder.root, "cpn")


def test_names_and_metadata_are_understood(folder: Folder) -> None:
    right = folder.read()
    for takes in (*folder.poses.values(), *folder.keypoints.values()):
        for name in list(takes):
            takes[name.lower().replace(" ", "-")] = takes.pop(name)
    renamed = folder.read()
    assert renamed.fingerprint == right.fingerprint
    assert any(note.startswith("Takes have their usual names: ") for note in renamed.notes)
    path = folder.root / "data_2d_h36m_cpn_ft_h36m_dbb.npz"
    boxes = {"positions_2d": folder.keypoints, "metadata": {"layout_name": "coco"}}
    np.savez(path, **{key: boxed(value) for key, value in boxes.items()})
    converted = read(folder.root, "cpn")
    assert any("layout COCO-17 were converted to Human3.6M's" in note for note in converted.notes)
    for ours, theirs in ((1, 12), (6, 15), (16, 10)):
        np.testing.assert_array_equal(converted.test[0].pose_2d[:, ours], right.test[0].pose_2d[:, theirs])


def test_takes_can_be_left_out_before_anything_of_them_is_looked_at(folder: Folder) -> None:
    folder.poses["S9"]["Walking"][3, 2] = np.nan
    with pytest.raises(InputError, match="S9/Walking: NaN"):
        folder.read()
    found = load("human36m", folder.root, "cpn", {"leave_out": "S9/walking"})
    assert {sequence.take for sequence in found.test} == {"S9/Eating 1", "S11/Directions 1"}
    assert "Takes left out: S9/Walking" in found.notes
    with pytest.raises(InputError, match="has no take of S9, S11"):
        load("human36m", folder.root, "cpn", {"leave_out": ["S9/Walking", "S9/Eating 1", "S11/Directions 1"]})
    with pytest.raises(InputError, match="'S9/Sitting' is no take of .*data_3d_h36m.npz, which has S9/Eating 1"):
        load("human36m", folder.root, "cpn", {"leave_out": "S9/Sitting"})


@needs_cmu
def test_reads_real_motion_in_this_layout() -> None:
    dataset = load("human36m", CMU, "gt")
    assert dataset.label == "data in Human3.6M format (7 subjects, 8,296 test frames)"
    assert dataset.fingerprint == "05920a865386d2a2"
    assert sum(map(len, dataset.train)) == 4 * 6341
    for sequence in dataset.train + dataset.test:
        seen = project(sequence.pose_3d + sequence.trajectory[:, None], sequence.intrinsics)
        assert np.abs(seen - sequence.pose_2d).max() * sequence.width / 2 < 2e-3


@needs_cmu
def test_reads_simulated_detections() -> None:
    dataset, exact = load("human36m", CMU, "cpn"), load("human36m", CMU, "gt")
    error = np.concatenate(
        [
            np.linalg.norm(noisy.pose_2d - clean.pose_2d, axis=-1) * 500
            for noisy, clean in zip(dataset.test, exact.test, strict=True)
        ]
    )
    assert 5.5 < np.median(error) < 6.7
    assert dataset.fingerprint != exact.fingerprint


def test_unknown_data_set_gets_a_hint() -> None:
    with pytest.raises(InputError, match="unknown data set 'human3': did you mean 'human36m'"):
        load("human3")
    with pytest.raises(InputError, match="allowed: bvh, human36m, mpi_inf_3dhp, population, synthetic"):
        load("zzz")
