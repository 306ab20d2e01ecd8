"""Odd values in the files of MPI-INF-3DHP: one short sentence each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data import load
from bench.data.inspect.checks import check
from bench.data.mpi_inf_3dhp.reader import MPIInf3DHP
from bench.data.sequence import Dataset
from models.errors import InputError
from tests.bench.data.mpi_inf_3dhp.mpi_files import contents, write
from tests.hostile import check_sentence

LEAST = np.iinfo("i8").min  # whose absolute value is itself
LONG = 10**5000  # which Python does not write out
ODD_TEST_VALUES = {
    "data_2d": [
        np.array(3.0),
        [[1, 2], [3]],
        np.full((12, 17, 2), 1e300),
        np.full((12, 17, 2), np.iinfo("i8").min),
    ],
    "data_3d": [np.array(3.0), "text", np.full((12, 17, 3), -1e300), np.full((12, 17, 3), np.iinfo("i8").min)],
    "valid": [np.array(1), [[1, 0], [1]], LONG, np.full(12, np.nan), {}],
    "activity": [np.array(1), [[1, 2], [3]], np.full(12, 1e300), "Sports", np.zeros(12)],
}
ODD_RATES = [0, -1, 1e300, np.nan, LONG, np.full(4000, 50.0), "50", None, True, [50]]


def read(root: Path, detections: str, **options: Any) -> Dataset:
    return load("mpi_inf_3dhp", root, detections, options)


@pytest.fixture
def files() -> Any:
    return contents("univ_annot3", frames=12, views=1)


@pytest.mark.parametrize(
    ("key", "place"), [(key, place) for key, values in ODD_TEST_VALUES.items() for place in range(len(values))]
)
def test_odd_values_of_a_test_sequence_are_one_sentence(tmp_path: Path, files: Any, key: str, place: int) -> None:
    files[1]["TS3"][key] = ODD_TEST_VALUES[key][place]
    with pytest.raises(InputError, match=rf"test_3dhp\.npz, TS3: {key}") as caught:
        read(write(tmp_path, "univ_annot3", files), "gt")
    check_sentence(caught.value)


@pytest.mark.parametrize("value", ODD_RATES, ids=range(len(ODD_RATES)))
def test_odd_frame_rates_are_one_sentence(tmp_path: Path, files: Any, value: Any) -> None:
    files[0]["S1 Seq1"][1] = value
    with pytest.raises(InputError, match=r"S1 Seq1: the frames per second: .* no number from 1 to 1000") as caught:
        read(write(tmp_path, "univ_annot3", files), "gt")
    check_sentence(caught.value)


@pytest.mark.parametrize("value", [np.array(3.0), 3, None, [], ["cameras"], np.zeros((2, 3))])
def test_odd_sequences_are_one_sentence(tmp_path: Path, files: Any, value: Any) -> None:
    files[0]["S1 Seq1"] = value
    with pytest.raises(InputError, match=r"train_3dhp\.npz, S1 Seq1: ") as caught:
        read(write(tmp_path, "univ_annot3", files), "gt")
    check_sentence(caught.value)


def test_everything_that_cannot_be_used_is_named(tmp_path: Path, files: Any) -> None:
    del files[1]["TS1"]["data_3d"]
    files[1]["TS2"]["valid"] = np.zeros(12)
    files[0]["S1 Seq1"][0] = []
    with pytest.raises(InputError, match=r"TS1: .*; other sequences .*: TS2; other files .*: train$"):
        read(write(tmp_path, "univ_annot3", files), "gt")


def test_the_published_annotation_of_a_thigh_is_a_note(tmp_path: Path) -> None:
    train, test = contents("annot3", frames=60, views=1)
    pose = test["TS5"]["data_3d"]
    longer = np.linspace(0.8, 1.2, 60)[:, None] * (pose[:, 12] - pose[:, 11])  # from the left hip to the knee
    pose[:, 12:14] += (pose[:, 11] + longer - pose[:, 12])[:, None]
    dataset = read(write(tmp_path, "annot3", (train, test)), "gt", protocol="annot3")
    for changing, expected in ((0.0, "problem"), (MPIInf3DHP.changing, "note")):
        (verdict,) = [verdict for verdict, line in check(dataset, changing=changing) if "rigid" in line]
        assert verdict == expected
