"""From small files of the original download's structure, of other motion, to those that the reader takes."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from typer.testing import CliRunner

from bench.cli import app
from bench.data import load
from bench.data.archive import read_archive
from bench.data.inspect.at_load import check_at_load
from bench.data.mpi_inf_3dhp.cameras import published_camera
from bench.data.mpi_inf_3dhp.files import CAMERAS
from bench.data.mpi_inf_3dhp.prepare import JOINTS, prepare
from models.errors import InputError
from tests.bench.data.mpi_inf_3dhp.mpi_files import STUDIO_CENTRE, STUDIO_FOCAL, motions

FRAMES, RECORDED, UNIVERSAL = 30, 14, 1.08
TRAIN, TEST = {"S1 Seq1": 25, "S2 Seq2": 25, "S4 Seq1": 25}, ("TS1", "TS6")


def scaled(pose: np.ndarray) -> np.ndarray:
    """At the universal height, about the pelvis."""
    root = pose[:, 14:15]
    return root + UNIVERSAL * (pose - root)


def cells(arrays: list[np.ndarray]) -> np.ndarray:
    box = np.empty((len(arrays), 1), dtype=object)
    for place, array in enumerate(arrays):
        box[place, 0] = array.reshape(len(array), -1).astype(np.float64)
    return box


def among_28(joints: np.ndarray) -> np.ndarray:
    """``[F, 28, C]`` in the order of the training annotation; joints that are not kept are far off."""
    whole = np.full((len(joints), 28, joints.shape[2]), 7777.0)
    whole[:, JOINTS] = joints
    return whole


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """The folders and files of the original download, a few of them."""
    source, number = tmp_path / "download", 0
    for name in TRAIN:
        poses = [motions(FRAMES)[(number := number + 1) % 7] for _ in range(RECORDED)]
        pixels = [STUDIO_FOCAL * pose[..., :2] / pose[..., 2:] + STUDIO_CENTRE for pose in poses]
        folder = source / name.replace(" ", "/")
        folder.mkdir(parents=True)
        content = {"annot2": pixels, "annot3": poses, "univ_annot3": [scaled(pose) for pose in poses]}
        savemat(folder / "annot.mat", {key: cells([among_28(a) for a in value]) for key, value in content.items()})
    for name in TEST:
        pose = motions(FRAMES)[(number := number + 1) % 7].astype(np.float64)
        folder = source / "mpi_inf_3dhp_test_set" / name
        folder.mkdir(parents=True)
        with h5py.File(folder / "annot_data.mat", "w") as file:
            file["annot2"] = published_camera(name).pixels(pose)[:, None]
            file["annot3"], file["univ_annot3"] = pose[:, None], scaled(pose)[:, None]
            file["valid_frame"] = (np.arange(FRAMES)[:, None] % 3 > 0).astype(np.float64)
            file["activity_annotation"] = 1.0 + np.arange(FRAMES)[:, None] % 7
    return source


@pytest.mark.parametrize("protocol", ["annot3", "univ_annot3"])
def test_the_reader_finds_what_the_download_has(download: Path, tmp_path: Path, protocol: str) -> None:
    out = tmp_path / "out"
    files, notes = prepare(download, out)
    assert sorted(path.name for path in files) == [
        "data_test_3dhp.npz", "data_test_3dhp_ori.npz", "data_train_3dhp.npz", "data_train_3dhp_ori.npz",
    ]  # fmt: skip
    assert any(
        "S1 Seq1 has 30 frames that count in 8 cameras, the complete set 6416 in 8" in note for note in notes
    )
    assert any("S3/Seq1/annot.mat: results will be labelled as incomplete" in note for note in notes)
    data = check_at_load(load("mpi_inf_3dhp", out, "gt", {"protocol": protocol}), "here")
    assert [(s.subject, s.action, s.camera, s.fps) for s in data.train] == [
        (*name.split(), camera, float(fps)) for name, fps in TRAIN.items() for camera in CAMERAS
    ]
    fifth = motions(FRAMES)[5]  # of camera 4, the fourth that is kept: camera 3 is left out
    assert data.train[3].camera == "4"
    found = 1000 * (data.train[3].pose_3d + data.train[3].trajectory[:, None])
    np.testing.assert_allclose(found, scaled(fifth) if protocol == "univ_annot3" else fifth, atol=0.01)
    assert [int(s.valid.sum()) for s in data.test] == [20, 20]
    assert list(data.test[0].activity[:3]) == ["Stand/Walk", "Exercise", "Sit on chair"]


def test_the_same_command_changes_nothing_and_other_content_is_not_replaced(
    download: Path, tmp_path: Path
) -> None:
    asked = ["data", "prepare", "mpi_inf_3dhp", str(download), "--out", str(tmp_path / "out")]
    first, again = (CliRunner().invoke(app, asked) for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0), first.output + again.output
    assert first.stdout.count("wrote ") == 4
    assert again.stdout.count("is there already, with the same content") == 4
    path = tmp_path / "out" / "data_test_3dhp.npz"
    assert set(read_archive(path, "data")) == set(TEST)
    path.write_bytes(b"")
    refused = CliRunner().invoke(app, asked)
    assert refused.exit_code == 2
    assert "use --force" in refused.stderr


def spoil_order(download: Path) -> None:
    """Poses of another camera."""
    path = download / "mpi_inf_3dhp_test_set" / "TS1" / "annot_data.mat"
    with h5py.File(path, "r+") as file:
        file["annot2"][...] = file["annot2"][...][:, :, ::-1]


def cut(download: Path) -> None:
    path = download / "S1" / "Seq1" / "annot.mat"
    path.write_bytes(path.read_bytes()[:2000])


def other_joints(download: Path) -> None:
    path = download / "S1" / "Seq1" / "annot.mat"
    pose = [np.zeros((4, 17, 3))] * RECORDED
    savemat(path, {key: cells(pose) for key in ("annot2", "annot3", "univ_annot3")})


def no_valid(download: Path) -> None:
    with h5py.File(download / "mpi_inf_3dhp_test_set" / "TS6" / "annot_data.mat", "r+") as file:
        del file["valid_frame"]


def empty(download: Path) -> None:
    for path in sorted(download.rglob("*.mat")):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_order, "px or more from the projected 3D joints"),
        (cut, "annot.mat cannot be read"),
        (other_joints, r"an annotation is \[4, 51\], not 28 joints with 2 numbers"),
        (no_valid, "annot_data.mat cannot be read"),
        (empty, "has neither S1/Seq1/annot.mat nor mpi_inf_3dhp_test_set/TS1/annot_data.mat"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_nothing_is_written(
    download: Path, tmp_path: Path, spoil: object, words: str
) -> None:
    assert callable(spoil)
    spoil(download)
    with pytest.raises(InputError, match=words) as raised:
        prepare(download, tmp_path / "out")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()
