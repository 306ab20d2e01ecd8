from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.data.human36m.cameras import cameras
from bench.data.inspect.describe import describe_dataset, detection_errors, mean_pose_error
from bench.data.inspect.pictures import save_pictures
from bench.data.sequence import Dataset, Sequence
from bench.data.synthetic.reader import Synthetic
from models.skeleton import HUMAN36M, MPI_INF_3DHP


def make_dataset() -> Dataset:
    world, detections = Synthetic().generate(("S9", "Walking", 0), 160)
    camera = cameras("S9")[0]
    seen = camera.from_world(world)
    screen = (detections[:, 0] / [500, 500] - [1, 1.002]).astype(np.float32)
    sequence = Sequence(
        "S9", "Walking", camera.name, 50.0, screen, seen - seen[:, :1], seen[:, 0], camera.intrinsics, 1000, 1002
    )
    train = replace(sequence, subject="S1")
    return Dataset("made", "made up", "cpn", HUMAN36M, (train,), (sequence,), "0" * 16)


def test_summary_says_what_is_there() -> None:
    lines = describe_dataset(make_dataset())
    assert lines[0] == "made up (made), cpn detections, fingerprint 0000000000000000"
    assert lines[1] == "train: 160 frames in 1 sequences, 1 takes of 1 actions, 1 cameras, subjects S1"
    assert "sequences of 160 to 160 frames, median 160" in lines
    assert lines[-1] == "test frames by action: Walking 160"


def test_errors_of_detections_are_in_pixels() -> None:
    (sequence,) = make_dataset().test
    moved = replace(sequence, pose_2d=sequence.pose_2d + np.float32(0.004))
    assert 4 < np.median(detection_errors(sequence)) < 9
    shift = detection_errors(moved).mean() - detection_errors(sequence).mean()
    assert 0 < shift < 0.004 * 500 * 2**0.5


def test_mean_pose_error_in_millimetres() -> None:
    dataset = make_dataset()
    (sequence,) = dataset.test
    still = replace(sequence, pose_3d=np.repeat(sequence.pose_3d[:1], 160, axis=0))
    moved = replace(still, pose_3d=still.pose_3d + np.float32([0.1, 0, 0]))
    assert mean_pose_error(replace(dataset, train=(still,), test=(moved,))) == pytest.approx(100, abs=0.01)


def test_pictures_of_any_data_set(tmp_path: Path) -> None:
    dataset = make_dataset()
    files = save_pictures(dataset, tmp_path / "new")
    names = [f"made-{name}.png" for name in ("poses", "projections", "gait", "detections")]
    assert [file.name for file in files] == names
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    other = replace(dataset, skeleton=MPI_INF_3DHP)
    assert [file.name for file in save_pictures(other, tmp_path)] == [name for name in names if "gait" not in name]


@pytest.mark.filterwarnings("error")
def test_pictures_of_short_takes_without_a_stride(tmp_path: Path) -> None:
    dataset = make_dataset()
    (sequence,) = dataset.test
    short = {name: getattr(sequence, name)[:20] for name in ("pose_2d", "pose_3d", "trajectory")}
    cut = replace(dataset, train=(replace(dataset.train[0], **short),), test=(replace(sequence, **short),))
    names = [file.name for file in save_pictures(cut, tmp_path)]
    assert names == [f"made-{name}.png" for name in ("poses", "projections", "detections")]


@pytest.mark.filterwarnings("error")
def test_frames_that_do_not_count_are_in_no_picture(tmp_path: Path) -> None:
    dataset = make_dataset()
    (sequence,) = dataset.test
    valid = np.ones(160, dtype=bool)
    valid[60:100] = False
    empty = {name: getattr(sequence, name).copy() for name in ("pose_2d", "pose_3d", "trajectory")}
    for held in (0, np.nan):
        for array in empty.values():
            array[~valid] = held
        marked = replace(dataset, skeleton=MPI_INF_3DHP, test=(replace(sequence, **empty, valid=valid),))
        names = [file.name for file in save_pictures(marked, tmp_path)]
        assert names == [f"made-{name}.png" for name in ("poses", "projections", "detections")]
