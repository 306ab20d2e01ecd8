from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cdflib
import h5py
import numpy as np
import pytest
from cdflib.cdfwrite import CDF
from scipy.io import savemat
from typer.testing import CliRunner

from bench.cli import app
from bench.data import load
from bench.data.archive import read_archive
from bench.data.human36m.files import JOINTS
from bench.data.human36m.prepare import METADATA, prepare
from bench.data.synthetic.reader import Synthetic
from models.errors import InputError
from tests.bench.data import CMU
from tests.bench.data.human36m.test_reader import save

FRAMES = 12


def millimetres(subject: str, action: str) -> np.ndarray:
    """``[FRAMES, 32, 3]`` float64, the joints that nobody uses at the thorax."""
    world, _ = Synthetic().generate((subject, action, 0), FRAMES)
    poses = np.repeat(world[:, 8:9], 32, axis=1)
    poses[:, JOINTS] = world
    return 1000 * poses.astype(np.float64)


def write_cdf(path: Path, poses: np.ndarray) -> None:
    flat = poses.reshape(1, len(poses), 96).astype(np.float32)
    file = CDF(str(path), cdf_spec={"Compressed": 0}, delete=True)
    variable = {
        "Variable": "Pose", "Data_Type": 21, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": [len(poses), 96],
    }  # fmt: skip
    file.write_var(variable, var_attrs={}, var_data=flat)
    file.close()


def write_mat(path: Path, poses: np.ndarray) -> None:
    savemat(path, {"data": poses.reshape(len(poses), 96)})


def write_nested_mat(path: Path, poses: np.ndarray) -> None:
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = poses.reshape(len(poses), 96)
    savemat(path, {"data": cell})


def write_hdf5(path: Path, poses: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        file["3D_positions"] = poses.transpose(1, 2, 0).reshape(96, -1)


D3 = "MyPoseFeatures/D3_Positions"
FORMATS = {
    "cdf": (D3, ".cdf", write_cdf),
    "mat": (D3, ".cdf.mat", write_mat),
    "nested mat": (D3, ".cdf.mat", write_nested_mat),
    "hdf5": ("MyPoses/3D_positions", ".h5", write_hdf5),
}
TAKES = {
    "S1": {"WalkingDog 1": "WalkDog", "TakingPhoto": "Photo", "Eating": "Eating"},
    "S9": {"Walking": "Walking", "Greeting 1": "Greeting"},
    "S11": {"Directions": "Directions", "Directions 1": "Posing"},
}


def download(root: Path, form: str, takes: dict[str, dict[str, str]] = TAKES) -> Path:
    folder, suffix, write = FORMATS[form]
    for subject, names in takes.items():
        (root / subject / folder).mkdir(parents=True)
        for name, action in names.items():
            write(root / subject / folder / f"{name}{suffix}", millimetres(subject, action))
    return root


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_field_s_files(form: str, tmp_path: Path) -> None:
    source = download(tmp_path / "h36m" if form == "hdf5" else tmp_path, form)
    prepare(source.parent if form == "hdf5" else source, tmp_path / "out")
    poses = read_archive(tmp_path / "out" / "data_3d_h36m.npz", "positions_3d")
    assert {subject: sorted(actions) for subject, actions in poses.items()} == {
        "S1": ["Eating", "Photo", "WalkDog 1"], "S9": ["Greeting 1", "Walking"], "S11": ["Directions 1"],
    }  # fmt: skip
    np.testing.assert_allclose(poses["S1"]["WalkDog 1"], millimetres("S1", "WalkDog") / 1000, atol=1e-6)
    assert poses["S11"]["Directions 1"].dtype == np.float32
    dataset = load("human36m", tmp_path / "out", "gt")
    for sequence in dataset.train + dataset.test:
        assert sequence.pose_3d.shape == (FRAMES, 17, 3)


def test_numpy_reads_what_is_written_as_videopose3d_does(tmp_path: Path) -> None:
    prepare(download(tmp_path, "hdf5"), tmp_path / "out")
    with np.load(tmp_path / "out" / "data_2d_h36m_gt.npz", allow_pickle=True) as archive:
        keypoints, metadata = archive["positions_2d"].item(), archive["metadata"].item()
    assert metadata == METADATA == {
        "layout_name": "h36m", "num_joints": 17,
        "keypoints_symmetry": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]],
    }  # fmt: skip
    assert [view.shape for view in keypoints["S9"]["Walking"]] == [(FRAMES, 17, 2)] * 4
    assert b"numpy._core" not in (tmp_path / "out" / "data_2d_h36m_gt.npz").read_bytes()


@pytest.mark.skipif(not CMU.is_dir(), reason=f"no files in {CMU}")
def test_real_motion_comes_back_with_its_projections_and_detections(tmp_path: Path) -> None:
    poses: Any = read_archive(CMU / "data_3d_h36m.npz", "positions_3d")
    for subject, actions in poses.items():
        (tmp_path / subject / "MyPoses/3D_positions").mkdir(parents=True)
        for action, world in actions.items():
            path = tmp_path / subject / "MyPoses/3D_positions" / f"{action}.h5"
            write_hdf5(path, 1000 * world.astype(np.float64))
    cpn = CMU / "data_2d_h36m_cpn_ft_h36m_dbb.npz"
    files, notes = prepare(tmp_path, tmp_path / "out", (cpn,))
    assert len(files) == 3
    assert any("S9 has 7 files of 30, fewer than 2 takes of Directions (0)" in note for note in notes)
    for source, tolerance in (("gt", 3e-6), ("cpn", 1e-6)):
        ours, theirs = load("human36m", tmp_path / "out", source), load("human36m", CMU, source)
        assert {s.key for s in ours.test} == {s.key for s in theirs.test}
        by_key = {s.key: s for s in theirs.train + theirs.test}
        for sequence in ours.train + ours.test:
            other = by_key[sequence.key]
            np.testing.assert_allclose(sequence.pose_3d, other.pose_3d, atol=1e-6)
            np.testing.assert_allclose(sequence.pose_2d, other.pose_2d, atol=tolerance)


def test_running_again_changes_nothing_and_other_content_is_not_replaced(tmp_path: Path) -> None:
    source, out = download(tmp_path, "mat"), tmp_path / "out"
    first, _ = prepare(source, out)
    assert all(first.values())
    assert not any(prepare(source, out)[0].values())
    write_mat(source / "S9" / D3 / "Sitting.cdf.mat", millimetres("S9", "Sitting"))
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(InputError, match=r"data_3d_h36m\.npz exists with other content: use --force"):
        prepare(source, out)
    assert before == {path: path.read_bytes() for path in out.iterdir()}
    assert all(prepare(source, out, force=True)[0].values())


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    notes = "\n".join(prepare(download(tmp_path, "mat"), tmp_path / "out")[1])
    assert "there is no file of S5" in notes
    assert "S1 has 3 files of 30, fewer than 2 takes of Directions (0), Discussion (0), Eating (1)" in notes
    assert "S11 Directions (the first take) is left out" in notes


def not_a_file(root: Path) -> None:
    (root / "S9" / D3 / "Walking.cdf.mat").write_bytes(b"nothing")


def metres(root: Path) -> None:
    write_mat(root / "S9" / D3 / "Walking.cdf.mat", millimetres("S9", "Walking") / 1000)


def without_a_number(root: Path) -> None:
    write_mat(root / "S9" / D3 / "Walking.cdf.mat", np.full((3, 32, 3), np.nan))


def another_variable(root: Path) -> None:
    savemat(root / "S9" / D3 / "Walking.cdf.mat", {"poses": np.zeros((3, 96))})


def few_joints(root: Path) -> None:
    savemat(root / "S9" / D3 / "Walking.cdf.mat", {"data": np.zeros((3, 51))})


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (not_a_file, r"Walking\.cdf\.mat cannot be read"),
        (metres, r"Walking\.cdf\.mat: hip and knee are 0\.\d+ mm apart"),
        (without_a_number, r"Walking\.cdf\.mat: has a coordinate that is NaN"),
        (another_variable, r"Walking\.cdf\.mat cannot be read \(KeyError: 'data'\)"),
        (few_joints, r"Walking\.cdf\.mat cannot be read"),
    ],
)
def test_damaged_sources_are_one_sentence_and_leave_nothing(spoil: Any, sentence: str, tmp_path: Path) -> None:
    spoil(download(tmp_path, "mat"))
    with pytest.raises(InputError, match=sentence):
        prepare(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_cdf_and_hdf5(tmp_path: Path) -> None:
    for form, take in (("cdf", f"{D3}/Walking.cdf"), ("hdf5", "MyPoses/3D_positions/Walking.h5")):
        root = download(tmp_path / form, form)
        whole = (root / "S9" / take).read_bytes()
        for content in (b"", whole[:200], b"nothing" * 100):
            (root / "S9" / take).write_bytes(content)
            with pytest.raises(InputError, match="cannot be read"):
                prepare(root, tmp_path / "out")


def test_interruption_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cdflib, "CDF", interrupted)
    result = CliRunner().invoke(
        app, ["data", "prepare", "human36m", str(download(tmp_path, "cdf")), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 130
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("form", "package"), [("cdf", "cdflib"), ("mat", "scipy"), ("hdf5", "h5py")])
def test_a_missing_package_is_named(
    form: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = download(tmp_path, form)
    monkeypatch.setitem(sys.modules, "scipy.io" if package == "scipy" else package, None)
    with pytest.raises(InputError, match=f"needs {package}: run `pip install {package}`"):
        prepare(source, tmp_path / "out")


class Detections:
    """A detection file that fits ``download``, to be spoiled."""

    def __init__(self, root: Path) -> None:
        self.source, self.out = download(root, "mat"), root / "out"
        self.path = root / "data_2d_h36m_hrnet.npz"
        prepare(self.source, root / "first")
        self.keypoints: Any = read_archive(root / "first" / "data_2d_h36m_gt.npz", "positions_2d")
        for actions in self.keypoints.values():
            for action, views in actions.items():
                actions[action] = [np.concatenate([view, view[-1:]]).astype(np.float64) + 4 for view in views]

    def prepare(self) -> Any:
        save(self.path, "positions_2d", self.keypoints)
        return prepare(self.source, self.out, (self.path,))


@pytest.fixture
def detections(tmp_path: Path) -> Detections:
    return Detections(tmp_path)


def test_detections_are_checked_and_put_beside(detections: Detections) -> None:
    detections.keypoints["S11"]["Directions"] = detections.keypoints["S11"]["Directions 1"]
    detections.prepare()
    stored: Any = read_archive(detections.out / "data_2d_h36m_hrnet.npz", "positions_2d")
    assert list(stored["S11"]) == ["Directions 1"]
    assert stored["S9"]["Walking"][2].dtype == np.float32
    assert load("human36m", detections.out, "hrnet").test[0].pose_2d.shape == (FRAMES, 17, 2)


def other_take(keypoints: Any) -> None:
    keypoints["S9"]["Walking"], keypoints["S9"]["Greeting 1"] = (
        keypoints["S9"]["Greeting 1"], keypoints["S9"]["Walking"],
    )  # fmt: skip


def other_cameras(keypoints: Any) -> None:
    keypoints["S9"]["Walking"] = keypoints["S9"]["Walking"][::-1]


def too_short(keypoints: Any) -> None:
    keypoints["S9"]["Walking"][1] = keypoints["S9"]["Walking"][1][:5]


def no_subject(keypoints: Any) -> None:
    del keypoints["S1"]


def coco_joints(keypoints: Any) -> None:
    for actions in keypoints.values():
        for views in actions.values():
            views[:] = [view[:, ::-1] for view in views]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (other_take, r"S9/\w+.*, camera \d: half of the joints are \d+ px or more"),
        (other_cameras, r"S9/Walking, camera 0: half of the joints"),
        (too_short, r"S9/Walking, camera 1: 5 frames of 2D for 12"),
        (no_subject, r"subject S1 is in .*data_3d_h36m\.npz but not in .*hrnet\.npz"),
        (coco_joints, r"other joints, cameras or takes"),
    ],
)
def test_detections_of_something_else_are_refused(spoil: Any, sentence: str, detections: Detections) -> None:
    spoil(detections.keypoints)
    with pytest.raises(InputError, match=sentence):
        detections.prepare()
    assert not detections.out.exists()


def test_names_of_detections(detections: Detections) -> None:
    for name, sentence in (("cpn.npz", "rename the file"), ("data_2d_h36m_gt.npz", "leave the file out")):
        with pytest.raises(InputError, match=sentence):
            prepare(detections.source, detections.out, (detections.path.with_name(name),))


def test_prepare_at_the_command_line(tmp_path: Path) -> None:
    source, out = download(tmp_path, "mat"), tmp_path / "out"
    result = CliRunner().invoke(app, ["data", "prepare", "human36m", str(source), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert f"wrote {out / 'data_3d_h36m.npz'}" in result.output
    assert "note: there is no file of S5" in result.stderr
    nothing = CliRunner().invoke(app, ["data", "prepare", "human36m", str(tmp_path / "none"), "--out", str(out)])
    assert nothing.exit_code == 2
    assert "name the folder of the unpacked download" in nothing.stderr
