from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data import load
from bench.data.cameras.camera import normalise, project
from bench.data.inspect.describe import describe_dataset
from bench.data.mpi_inf_3dhp.files import ACTIVITIES, CAMERAS, TEST, TRAIN, read_test_views, read_train_views
from bench.data.mpi_inf_3dhp.reader import label
from bench.data.sequence import Dataset, Sequence
from bench.data.splits import split_validation, validation_rule
from bench.data.windows import Windows
from models.errors import InputError
from tests.bench.data.mpi_inf_3dhp.mpi_files import (
    STUDIO_CENTRE,
    STUDIO_FOCAL,
    UNIVERSAL,
    contents,
    save,
    write,
    write_annotations,
)


def read(root: Path | None, detections: str = "gt", **options: Any) -> Dataset:
    return load("mpi_inf_3dhp", root, detections, options)


@pytest.fixture
def files() -> Any:
    return contents("univ_annot3", frames=12, views=1)


def reprojection(sequence: Sequence) -> float:
    """Largest distance in pixels of a projected joint from its 2D place."""
    seen = project(sequence.pose_3d + sequence.trajectory[:, None], sequence.intrinsics)
    return float(np.abs(seen - sequence.pose_2d).max() * sequence.width / 2)


def test_annot3_is_read_in_its_cameras(tmp_path: Path) -> None:
    train, test = contents("annot3", views=2)
    dataset = read(write(tmp_path, "annot3"), "gt", protocol="annot3")
    assert [s.key for s in dataset.train[:3]] == ["S1/Seq1/0", "S1/Seq1/1", "S1/Seq2/0"]
    assert [s.fps for s in dataset.train[::2]] == [fps for _, fps in TRAIN.values()]
    assert [s.action for s in dataset.test] == list(TEST)
    assert [(s.width, s.height) for s in dataset.test] == [(2048, 2048)] * 4 + [(1920, 1080)] * 2
    stored = train["S1 Seq2"][0]["1"]
    sequence = dataset.train[3]
    np.testing.assert_allclose(
        sequence.pose_3d + sequence.trajectory[:, None], stored["data_3d"] / 1000, atol=1e-5
    )
    assert not sequence.pose_3d[:, 14].any()
    np.testing.assert_allclose(sequence.pose_2d, normalise(stored["data_2d"], 2048, 2048), atol=1e-6)
    assert dataset.test[2].valid.tolist() == test["TS3"]["valid"].astype(bool).tolist()
    assert max(map(reprojection, dataset.train + dataset.test)) < 0.05
    assert dataset.label == "data in MPI-INF-3DHP format (annot3, 8 training subjects, 240 valid test frames)"
    assert any("true scale" in note for note in dataset.notes)
    assert dataset.train[0].pose_3d.base is dataset.train[-1].pose_3d.base


def test_universal_poses_are_moved_away_until_they_meet_their_2d(tmp_path: Path) -> None:
    scaled = read(write(tmp_path, "univ_annot3"), "gt")
    true = read(write(tmp_path, "annot3"), "gt", protocol="annot3")
    for one, other in zip(scaled.test, true.test, strict=True):
        factor = UNIVERSAL["univ_annot3"]
        np.testing.assert_allclose(one.pose_3d, factor * other.pose_3d, atol=1e-5)
        np.testing.assert_allclose(one.trajectory, factor * other.trajectory, rtol=1e-4)
        assert reprojection(one) < 0.1
    np.testing.assert_allclose(scaled.train[0].trajectory, true.train[0].trajectory, atol=1e-5)
    assert any("J-Agg reprojects from the root's trajectory times 1.080" in note for note in scaled.notes)
    assert scaled.label != true.label
    assert scaled.fingerprint != true.fingerprint


def test_the_protocol_is_in_the_fingerprint_even_of_equal_numbers(tmp_path: Path) -> None:
    same = contents("annot3", frames=12, views=1)
    for protocol in ("annot3", "univ_annot3"):
        write(tmp_path, protocol, same)
    one, other = (read(tmp_path, "gt", protocol=protocol) for protocol in ("annot3", "univ_annot3"))
    np.testing.assert_allclose(one.test[0].trajectory, other.test[0].trajectory, rtol=1e-4)
    assert one.fingerprint != other.fingerprint


def test_training_cameras_are_recovered(tmp_path: Path) -> None:
    dataset = read(write(tmp_path, "annot3", frames=12, views=1), "gt", protocol="annot3")
    expected = [STUDIO_FOCAL / 1024, STUDIO_FOCAL / 1024, STUDIO_CENTRE[0] / 1024 - 1, STUDIO_CENTRE[1] / 1024 - 1]
    np.testing.assert_allclose(dataset.train[5].intrinsics[:4], expected, atol=1e-3)


def made_up(names: dict[str, tuple[int, int]], valid: dict[str, int]) -> tuple[tuple[Sequence, ...], ...]:
    def one(subject: str, action: str, camera: str, fps: float, frames: int, counted: Any = None) -> Sequence:
        array = np.broadcast_to(np.zeros(1, dtype=np.float32), (frames,))
        return Sequence(subject, action, camera, fps, array, array, array, array, 1, 1, valid=counted)

    train = [
        one(*name.split(), camera, float(fps), frames)
        for name, (frames, fps) in names.items()
        for camera in CAMERAS
    ]
    return tuple(train), tuple(
        one(name, name, "video", 25.0, count, np.ones(count, bool)) for name, count in valid.items()
    )


def test_only_complete_counts_are_called_by_the_name() -> None:
    assert label(*made_up(TRAIN, TEST), "univ_annot3") == "MPI-INF-3DHP (univ_annot3)"
    for train, test in (
        (TRAIN | {"S4 Seq1": (6170, 25)}, TEST),
        (TRAIN | {"S4 Seq1": (6171, 50)}, TEST),
        ({name: size for name, size in TRAIN.items() if name != "S8 Seq2"}, TEST),
        (TRAIN, TEST | {"TS6": 392}),
    ):
        assert label(*made_up(train, test), "annot3").startswith("data in MPI-INF-3DHP format (annot3, ")


def test_a_copy_with_other_valid_frames_is_noted(tmp_path: Path, files: Any) -> None:
    files[1]["TS6"]["valid"][:] = 1
    notes = read(write(tmp_path, "univ_annot3", files), "gt").notes
    assert any("TS6 12 (452)" in note for note in notes)


def test_activities_from_the_file_and_from_the_annotations(tmp_path: Path, files: Any) -> None:
    pytest.importorskip("h5py")
    plain = read(write(tmp_path, "univ_annot3", files), "gt")
    assert all(sequence.activity is None for sequence in plain.test)
    assert any("No table by activity" in note for note in plain.notes)
    numbers = {name: 1 + (np.arange(12) + n) % 7 for n, name in enumerate(TEST)}
    folder = write_annotations(tmp_path / "original", numbers)
    annotated = load("mpi_inf_3dhp", tmp_path, "gt", {"annotations": str(folder)})
    for name in TEST:
        files[1][name]["activity"] = numbers[name]
    stored = read(write(tmp_path, "univ_annot3", files), "gt")
    for dataset in (annotated, stored):
        assert dataset.test[1].activity.tolist() == [ACTIVITIES[n - 1] for n in numbers["TS2"]]
        assert not any("No table" in note for note in dataset.notes)
    assert annotated.fingerprint == stored.fingerprint != plain.fingerprint


def test_annotations_that_cannot_be_read(tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    h5py = pytest.importorskip("h5py")
    write(tmp_path, "univ_annot3", files)
    folder = tmp_path / "original"
    with pytest.raises(InputError, match=r"TS1/annot_data\.mat does not exist"):
        read(tmp_path, "gt", annotations=folder)
    write_annotations(folder, dict.fromkeys(TEST, np.ones(12)))
    write_annotations(folder, {"TS2": np.ones(11)})
    with pytest.raises(InputError, match=r"TS2/annot_data\.mat: activity is .*one number for each of 12"):
        read(tmp_path, "gt", annotations=folder)
    write_annotations(folder, {"TS2": np.full(12, 8)})
    with pytest.raises(InputError, match=r"activity holds 8, none of 1 to 7"):
        read(tmp_path, "gt", annotations=folder)
    path = folder / "TS2" / "annot_data.mat"
    with h5py.File(path, "w") as file:
        file["other"] = np.ones(12)
    with pytest.raises(InputError, match="no readable activity_annotation"):
        read(tmp_path, "gt", annotations=folder)
    path.write_bytes(b"MATLAB 5.0")
    with pytest.raises(InputError, match="no readable activity_annotation"):
        read(tmp_path, "gt", annotations=folder)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match="pip install h5py"):
        read(tmp_path, "gt", annotations=folder)


def drop_valid(train: Any, test: Any) -> None:
    del test["TS2"]["valid"]


def short_valid(train: Any, test: Any) -> None:
    test["TS2"]["valid"] = test["TS2"]["valid"][:-1]


def strange_valid(train: Any, test: Any) -> None:
    test["TS2"]["valid"] = np.full(12, 2)


def nothing_valid(train: Any, test: Any) -> None:
    test["TS2"]["valid"] = np.zeros(12)


def short_2d(train: Any, test: Any) -> None:
    train["S3 Seq1"][0]["0"]["data_2d"] = train["S3 Seq1"][0]["0"]["data_2d"][:5]


def few_joints(train: Any, test: Any) -> None:
    train["S3 Seq1"][0]["0"]["data_3d"] = np.ones((12, 16, 3))


def no_3d(train: Any, test: Any) -> None:
    del test["TS1"]["data_3d"]


def words(train: Any, test: Any) -> None:
    test["TS1"]["data_2d"] = np.full((12, 17, 2), "a")


def not_a_number(train: Any, test: Any) -> None:
    train["S3 Seq1"][0]["0"]["data_3d"][7, 3, 1] = np.nan


def infinite_2d(train: Any, test: Any) -> None:
    test["TS5"]["data_2d"][4, 3, 1] = np.inf


def no_frames(train: Any, test: Any) -> None:
    train["S3 Seq1"][0]["0"] = {"data_2d": np.ones((0, 17, 2)), "data_3d": np.ones((0, 17, 3))}


def metres(train: Any, test: Any) -> None:
    train["S3 Seq1"][0]["0"]["data_3d"] /= 1000


def unknown_sequence(train: Any, test: Any) -> None:
    train["S9 Seq1"] = train["S1 Seq1"]


def unknown_test(train: Any, test: Any) -> None:
    test["TS7"] = test["TS1"]


def unknown_camera(train: Any, test: Any) -> None:
    train["S1 Seq1"][0]["3"] = train["S1 Seq1"][0]["0"]


def no_fps(train: Any, test: Any) -> None:
    train["S1 Seq1"] = train["S1 Seq1"][:1]


def strange_fps(train: Any, test: Any) -> None:
    train["S1 Seq1"][1] = "fast"


def list_of_cameras(train: Any, test: Any) -> None:
    train["S1 Seq1"][0] = [1, 2]


def camera_without_arrays(train: Any, test: Any) -> None:
    train["S1 Seq1"][0]["0"] = np.ones(3)


def no_training(train: Any, test: Any) -> None:
    train.clear()


def no_test(train: Any, test: Any) -> None:
    test.clear()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (drop_valid, r"test_3dhp\.npz, TS2: valid is NoneType, not one number for each of 12 frames"),
        (short_valid, r"TS2: valid is uint8 \[11\], not one number for each of 12"),
        (strange_valid, r"TS2: valid holds 2, none of 0 to 1"),
        (nothing_valid, r"TS2: no frame is valid"),
        (short_2d, r"train_3dhp\.npz, S3 Seq1, camera 0: 5 frames of 2D for 12 of 3D"),
        (few_joints, r"camera 0: data_3d is float64 \[12, 16, 3\], no numbers \[frames, 17, 3\]"),
        (no_3d, r"TS1: data_3d is NoneType"),
        (words, r"TS1: data_2d is <U1 \[12, 17, 2\]"),
        (not_a_number, r"S3 Seq1, camera 0: data_3d: NaN or infinite coordinate in frame 7"),
        (infinite_2d, r"TS5: data_2d: NaN or infinite coordinate in frame 4"),
        (no_frames, r"S3 Seq1, camera 0: has no frames"),
        (metres, r"S3 Seq1, camera 0: a joint of frame 0 is \d+ mm in front of the camera"),
        (unknown_sequence, r"sequence 'S9 Seq1' is none of S1 Seq1"),
        (unknown_test, r"sequence 'TS7' is none of TS1"),
        (unknown_camera, r"S1 Seq1: camera '3' is none of 0, 1, 2, 4"),
        (no_fps, r"S1 Seq1: is not \[dict of cameras, frames per second\]"),
        (strange_fps, r"S1 Seq1: the frames per second: str is no number from 1 to 1000"),
        (list_of_cameras, r"S1 Seq1: expected a dict of cameras, not list"),
        (camera_without_arrays, r"camera 0: expected a dict of data_2d and data_3d, not float64 \[3\]"),
        (no_training, r"train_3dhp\.npz has no sequence in any camera"),
        (no_test, r"test_3dhp\.npz has no test sequence"),
    ],
)
def test_failures_are_one_sentence(tmp_path: Path, files: Any, spoil: Any, sentence: str) -> None:
    spoil(*files)
    with pytest.raises(InputError, match=sentence) as caught:
        read(write(tmp_path, "univ_annot3", files), "gt")
    assert "\n" not in str(caught.value)


def test_invalid_frames_may_hold_no_pose(tmp_path: Path, files: Any) -> None:
    for content in files[1].values():
        content["data_3d"][content["valid"] == 0] = 0
    dataset = read(write(tmp_path, "univ_annot3", files), "gt")
    assert "nan" not in " ".join([*describe_dataset(dataset), *dataset.notes])


def test_missing_and_foreign_files(tmp_path: Path, files: Any) -> None:
    with pytest.raises(InputError, match="needs the folder"):
        read(None, "gt")
    with pytest.raises(InputError, match=r"data_test_3dhp\.npz does not exist"):
        read(tmp_path, "gt")
    write(tmp_path, "univ_annot3", files)
    with pytest.raises(InputError, match="mpi_inf_3dhp has no 'cpn' detections: set them to one of gt"):
        read(tmp_path, "cpn")
    with pytest.raises(
        InputError, match=r"3dhp_ori\.npz does not exist, which protocol annot3 needs.*univ_annot3"
    ):
        read(tmp_path, "gt", protocol="annot3")
    with pytest.raises(InputError, match=r"data\.options\.protocol' is 'both', but must be 'univ_annot3'"):
        load("mpi_inf_3dhp", tmp_path, "gt", {"protocol": "both"})
    save(tmp_path / "data_train_3dhp.npz", [1, 2])
    with pytest.raises(InputError, match="expected a dict of sequences, not list"):
        read(tmp_path, "gt")
    save(tmp_path / "data_train_3dhp.npz", {"S1 Seq1": Path("x")})
    with pytest.raises(InputError, match="its pickle asks for 'pathlib"):
        read(tmp_path, "gt")
    save(tmp_path / "data_train_3dhp.npz", files[0], key="other")
    with pytest.raises(InputError, match="has no key 'data' but other"):
        read(tmp_path, "gt")


def complaint(call: Callable[[], object]) -> str:
    """What the call refuses its input with; any other exception goes through."""
    try:
        call()
    except InputError as error:
        return str(error)
    return ""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_never_give_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["data_train_3dhp.npz", "data_test_3dhp.npz"]))
    if not (tmp_path / "whole").is_dir():
        (tmp_path / "whole").mkdir()
        write(tmp_path / "whole", "univ_annot3", contents("univ_annot3", frames=2, views=1))
    for path in (tmp_path / "whole").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = bytearray((tmp_path / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([None, data.draw(st.integers(0, len(content)))]))
    (tmp_path / name).write_bytes(content[:cut])
    assert "\n" not in complaint(lambda: read(tmp_path, "gt"))


LEAVES = st.one_of(
    st.none(), st.integers(-1, 9), st.floats(), st.text(max_size=2), st.lists(st.integers(), max_size=3),
    st.sampled_from([np.zeros((3, 17, 2)), np.zeros((3, 17, 3)), np.ones(3), np.array(None), np.array("a")]),
)  # fmt: skip
KEYS = st.sampled_from(["S1 Seq1", "TS1", "TS6", "data_2d", "data_3d", "valid", "activity", "0", "8", 0])
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.dictionaries(KEYS, inner, max_size=4), st.lists(inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=ANYTHING, split=st.sampled_from(["train", "test"]))
def test_any_content_is_read_or_refused_in_one_sentence(tmp_path: Path, content: Any, split: str) -> None:
    path = tmp_path / f"data_{split}_3dhp.npz"
    save(path, content)
    views = read_train_views if split == "train" else lambda path: read_test_views(path, None)
    assert "\n" not in complaint(lambda: views(path))


def test_only_valid_frames_make_windows_and_counts(tmp_path: Path, files: Any) -> None:
    for content in files[1].values():
        content["valid"] = np.arange(12) >= 9
    dataset = read(write(tmp_path, "univ_annot3", files), "gt")
    windows = Windows(dataset.test, dataset.skeleton, 4, mode="eval")
    assert windows.table[:, 1].tolist() == [8] * 6
    assert windows.counts(np.arange(6)).tolist() == [[False, True, True, True]] * 6


def test_one_subject_is_held_out_where_subjects_have_two_takes(tmp_path: Path, files: Any) -> None:
    dataset = read(write(tmp_path, "univ_annot3", files), "gt")
    train, held = split_validation(dataset.train, 10, ())
    assert {sequence.take for sequence in held} == {"S8/Seq1", "S8/Seq2"}
    assert len(train) == 14
    assert validation_rule(dataset.train, 10, ()) == "all takes of S8"
